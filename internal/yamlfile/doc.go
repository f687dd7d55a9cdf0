// Package yamlfile reads the YAML files that people write for nightshift: strictly, with line and column of all that is
// wrong, and with what would be right. The lab file and step runbooks are such files.
//
// It knows neither what the files are about nor any device.
package yamlfile
