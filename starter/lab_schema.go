package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
)

func newLabSchemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of lab files, for editors",
		Long: `Print the JSON Schema of lab files. An editor with a YAML language server completes and checks with it:

  nightshift lab schema > lab.schema.json
  # first line of lab.yaml:  # yaml-language-server: $schema=lab.schema.json`,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			b, err := inventory.Schema()
			if err != nil {
				return err
			}
			_, err = a.out.Write(b)
			return err
		},
	}
}
