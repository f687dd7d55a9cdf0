package runbooks

// fewNames is how many names of a list a finding tells.
const fewNames = 5

// drsLevel says an automation level as the vSphere Client does.
func drsLevel(level string) string {
	switch level {
	case "fullyAutomated":
		return "fully automated"
	case "partiallyAutomated":
		return "partially automated"
	}
	return level
}
