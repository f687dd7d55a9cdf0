package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completionTime is how long a person who pressed Tab waits.
const completionTime = 3 * time.Second

// completeRunbook offers the runbooks.
func (a *app) completeRunbook(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, _ := a.catalog() // what is wrong with a runbook belongs into no line that is being typed
	for _, rb := range list {
		names = append(names, rb.Name+"\t"+rb.Summary)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRun offers the runs under way.
func (a *app) completeRun(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeBy(c, func(ctx context.Context, s *session) (names []string) { return openRuns(ctx, s) })
}

// completeSteps offers blocked steps, of the run that was named or the only one; and first the runs.
func (a *app) completeSteps(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeBy(c, func(ctx context.Context, s *session) (names []string) {
		if len(args) == 0 {
			names = openRuns(ctx, s)
		}
		run, given, err := s.runAndSteps(ctx, args)
		if err != nil {
			return names
		}
		steps, err := s.blockedSteps(ctx, run)
		if err != nil {
			return names
		}
		for _, st := range steps {
			if !contains(given, st.ID) {
				names = append(names, st.ID+"\t"+st.Title)
			}
		}
		return names
	})
}

// completeSchedule offers the names of the lab's schedules.
func (a *app) completeSchedule(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeBy(c, func(ctx context.Context, s *session) (names []string) {
		list, err := s.schedules.List(ctx, s.lab)
		if err != nil {
			return nil
		}
		for _, sc := range list {
			names = append(names, sc.Name+"\t"+sc.Runbook+" at "+sc.When())
		}
		return names
	})
}

func openRuns(ctx context.Context, s *session) (names []string) {
	const many = 50
	open, err := s.runs.List(ctx, s.lab, runFilter{open: true, limit: many})
	if err != nil {
		return nil
	}
	for _, r := range open {
		names = append(names, r.Run+"\t"+r.State)
	}
	return append(names, latest+"\tthe newest run")
}

// completeBy asks nightshift. Where it does not answer there is nothing to offer, and no message: it would end up in the
// line that is being typed.
func (a *app) completeBy(c *cobra.Command, names func(context.Context, *session) []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	s, err := a.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer s.Close()
	return names(ctx, s), cobra.ShellCompDirectiveNoFileComp
}

// completeFlags offers what the flags of a command may be.
func completeFlags(root *cobra.Command) {
	offer := func(c *cobra.Command, flag string, values ...string) {
		if c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil {
			// The error is that the flag is not there.
			_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, c := range root.Commands() {
		offer(c, "on-failure", "ask", "skip", "force", "abort")
	}
	_ = root.RegisterFlagCompletionFunc("output", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return append([]string{formatText, formatJSON}, fields(c.Annotations[formats])...), cobra.ShellCompDirectiveNoFileComp
	})
}
