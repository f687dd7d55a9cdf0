package notice

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplates(t *testing.T) {
	d := samples()[1]
	text, err := Execute("{{.Lab}}: {{.Event}}{{range .Steps}} {{.ID}}{{end}}{{range .Next}}\n{{.Type}}{{end}} {{.Deadline.Format \"15:04\"}}", d)
	require.NoError(t, err)
	require.Equal(t, "home: blocked shutdown-guest:web01\nnightshift retry power-down-home-20261120-230000 shutdown-guest:web01 00:05", text)
	_, err = Execute("{{range .Next}}"+strings.Repeat("x", maxText)+"y{{end}}", d)
	require.ErrorIs(t, err, errTooLong)
}

// A template that works for one event and not for another is found before the night.
func TestATemplateIsTriedOnMuchAndOnLittle(t *testing.T) {
	require.NoError(t, Check("{{.Subject}}\n{{.Text}}"))
	require.Error(t, Check("{{(index .Steps 0).Title}}"), "a hold has no steps")
	require.Error(t, Check("{{if .Steps}}{{.Nothing}}{{end}}"))
	require.Error(t, Check("{{if"))
	require.ErrorIs(t, Check(`{{define "x"}}{{range $.Steps}}{{template "x" $}}{{end}}{{end}}{{template "x" .}}`), errNested)
	require.ErrorIs(t, Check(`{{if .Steps}}{{template "template" .}}{{end}}`), errNested)
}

// TestATemplateEnds: it is tried whenever a lab file is read, and used beside a run.
func TestATemplateEnds(t *testing.T) {
	for text, want := range map[string]error{
		"{{range 99999999999}}{{end}}":                                                                             errTooOften,
		"{{range $i := 100000}}{{range $j := 100000}}{{end}}{{end}}":                                               errTooOften,
		"{{if .Lab}}{{with .Lab}}{{range 99999999999}}{{if $}}{{end}}{{end}}{{end}}{{end}}":                        errTooOften,
		"{{if .Steps}}{{else}}{{range 0}}{{else}}{{range 99999999999}}{{end}}{{end}}{{end}}":                       errTooOften,
		`{{$x := "aaaaaaaaaaaaaaaa"}}{{range 60}}{{$x = printf "%s%s" $x $x}}{{end}}`:                              errTooLong,
		`{{$x := "\\\\\\\\\\\\"}}{{range 60}}{{$x = js $x}}{{end}}`:                                                errTooLong,
		`{{$x := "aaaaaaaaaaaaaaaa"}}{{range 60}}{{$x = print $x $x}}{{end}}`:                                      errTooLong,
		`{{range 40}}{{range $.Next}}{{end}}{{end}}{{range $i, $s := .Steps}}{{$i}} {{printf "%-30s" .ID}}{{end}}`: nil,
	} {
		require.ErrorIs(t, Check(text), want, text)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{.Subject}}", "{{range .Steps}}{{.ID}}{{end}}", "{{define `x`}}{{template `x`}}{{end}}{{template `x`}}", "{{printf `%s` .At}}", "{{(index .Steps 0).Title}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "printf") || len(text) > 1000 { // a width of a thousand millions is its author's own
			return
		}
		_ = Check(text)
	})
}
