package main

import "github.com/spf13/cobra"

func newLabCommand(a *app) *cobra.Command {
	return group("lab", "The lab file: what it says, whether it is right, and whether the lab is as it says",
		newLabImportCommand(a), newLabShowCommand(a), newLabGraphCommand(a), newLabRoleCommand(a), newLabSchemaCommand(a), newLabValidateCommand(a), newLabTrustCommand(a), newLabPrepareStorageCommand(a), newLabRecordCommand(a), newLabCheckCommand(a))
}
