package inventory

import _ "embed"

//go:embed lab.schema.json
var schema []byte

// Schema is the JSON Schema (2020-12) of the lab file, for editors. schemagen makes it from the types of this package.
func Schema() ([]byte, error) { return append([]byte(nil), schema...), nil }
