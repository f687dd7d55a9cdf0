package plan

// breakAt splits at the last blank before width; width 0: not at all.
func breakAt(s string, width int) (line, rest string) {
	r := []rune(s)
	if width <= 0 || len(r) <= width {
		return s, ""
	}
	for i := width; i > 4; i-- {
		if r[i] == ' ' {
			return string(r[:i]), string(r[i+1:])
		}
	}
	return string(r[:width]), string(r[width:])
}

// cut shortens to the width; 0: not at all.
func cut(s string, width int) string {
	r := []rune(s)
	if width <= 0 || len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}
