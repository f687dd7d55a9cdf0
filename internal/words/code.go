package words

import "strings"

// Code is a text in one line as Markdown shows it letter by letter: a command can be copied from it. Backticks in it are kept by
// more of them around it, as CommonMark has it: one that became a quote would end the quotes of a shell.
func Code(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	fence, pad := "`", ""
	for strings.Contains(s, fence) {
		fence, pad = fence+"`", " "
	}
	return fence + pad + s + pad + fence
}
