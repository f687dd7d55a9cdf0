package report

import (
	"cmp"
	"fmt"

	"nightshift/internal/words"
)

// fewAlike is how many of which the same is to be said are told one by one.
const fewAlike = 3

// Fold puts together those of which the same is to be said, where they are more than a few; the others stay alone. They stand where
// the first of each stood.
func Fold[T any](list []T, same func(T) string) [][]T {
	var out [][]T
	at, many := map[string]int{}, map[string]int{}
	for _, x := range list {
		many[same(x)]++
	}
	for _, x := range list {
		key := same(x)
		if many[key] <= fewAlike {
			out = append(out, []T{x})
			continue
		}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], x)
	}
	return out
}

// Alike is the title of the first of several steps, and who the others are about.
func Alike(title string, others []string) string {
	if len(others) == 0 {
		return title
	}
	const told = 4
	return fmt.Sprintf("%s, and %d like it (%s)", title, len(others), words.Some(others, told))
}

// alike is a line for steps of which the same is to be said; why is said after it.
func alike(steps []Step) string {
	var others []string
	for _, s := range steps[1:] {
		others = append(others, s.About())
	}
	return Alike(steps[0].Title+steps[0].amended(), others) + words.After(steps[0].Why())
}

// About names what the step is about.
func (s Step) About() string { return cmp.Or(s.plan.Target.Name, s.ID) }

// Same is the same of steps of which the same is to be said: what they do, and why they stand as they do. Of a step of which there
// is nothing to say it is its own.
func (s Step) Same() string {
	if s.Why() == "" {
		return s.ID
	}
	return fmt.Sprintf("%s\n%s\n%s\n%s", s.State, s.plan.Action, s.amended(), s.Why())
}
