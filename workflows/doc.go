// Package workflows is the durable part of nightshift: deterministic code that Temporal replays. Each runbook has
// a workflow type of its own (PowerDown, PowerUp, …, and Steps for all that are written in YAML); all are Run, the life of
// a run (run.go), and the executor of plans (execute.go begins steps, land.go takes in how they end, orders.go what people
// say meanwhile, amend.go and merge.go a new plan of what is left). Ledger keeps what a lab's runs leave each other; Notify
// tells people one thing, and Caretaker what no run sees.
//
// Workflow code names activities; it knows neither planners nor devices, and no clock but workflow time. It lives for
// years: a change of what it does goes under workflow.GetVersion, and the histories in testdata must replay.
package workflows
