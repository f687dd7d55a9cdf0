package notice

import (
	"fmt"
	"text/template"
	"text/template/parse"
)

// mostRounds bounds how often the loops of a template go round, all together: {{range 9999999999}} writes nothing, and does
// not end.
const mostRounds = 10_000

var errTooOften = fmt.Errorf("its loops go round more than %d times", mostRounds)

// round is the function that counts.
const round = "nightshift_round"

// functions are those of text/template that make texts, bounded: what is put together again and again fills the memory, and
// nothing of it is written.
func functions(rounds *int) template.FuncMap {
	short := func(s string) (string, error) {
		if len(s) > maxText {
			return "", errTooLong
		}
		return s, nil
	}
	return template.FuncMap{
		"print":    func(a ...any) (string, error) { return short(fmt.Sprint(a...)) },
		"printf":   func(format string, a ...any) (string, error) { return short(fmt.Sprintf(format, a...)) },
		"println":  func(a ...any) (string, error) { return short(fmt.Sprintln(a...)) },
		"html":     func(a ...any) (string, error) { return short(template.HTMLEscaper(a...)) },
		"js":       func(a ...any) (string, error) { return short(template.JSEscaper(a...)) },
		"urlquery": func(a ...any) (string, error) { return short(template.URLQueryEscaper(a...)) },
		round: func() (string, error) {
			if *rounds++; *rounds > mostRounds {
				return "", errTooOften
			}
			return "", nil
		},
	}
}

// count has each round of each loop counted.
func count(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, in := range n.Nodes {
			count(in)
		}
	case *parse.IfNode:
		count(n.List)
		count(n.ElseList)
	case *parse.WithNode:
		count(n.List)
		count(n.ElseList)
	case *parse.RangeNode:
		count(n.List)
		count(n.ElseList)
		n.List.Nodes = append([]parse.Node{counter()}, n.List.Nodes...)
	}
}

// counter is {{nightshift_round}}.
func counter() parse.Node {
	t := template.Must(template.New("round").Funcs(functions(new(int))).Parse("{{" + round + "}}"))
	return t.Root.Nodes[0]
}
