package sshexec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// maxCommand is how long a command line may be, in bytes: a Linux shell takes 128 KiB as one argument.
const maxCommand = 100_000

// Quote writes an argument list as a command line for a POSIX shell, through which SSH servers run commands: what the
// shell hands to the program is what was given, byte by byte. Words that mean nothing to a shell stay as they are, as
// some servers compare the line with a list of those allowed. Errors are fault.Invalid: no command, or a NUL.
func Quote(argv []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", fault.As(fault.Invalid, errors.New("there is no command"))
	}
	var line strings.Builder
	for i, word := range argv {
		if strings.IndexByte(word, 0) >= 0 {
			return "", fault.As(fault.Invalid, fmt.Errorf("word %d of the command holds a NUL byte, which no program can be given", i+1))
		}
		if i > 0 {
			line.WriteByte(' ')
		}
		if plain(word) && (i > 0 || plainFirst(word)) {
			line.WriteString(word)
		} else {
			line.WriteString("'" + strings.ReplaceAll(word, "'", `'\''`) + "'")
		}
	}
	if line.Len() > maxCommand {
		return "", fault.As(fault.Invalid, fmt.Errorf("the command is %d bytes long, more than %d", line.Len(), maxCommand))
	}
	return line.String(), nil
}

// plain tells whether no shell sees anything in the word but itself, wherever it stands behind the first.
func plain(word string) bool {
	for i := range len(word) {
		c := word[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("_-./:,@%+", c) < 0 {
			return false
		}
	}
	return word != ""
}

// reserved are the words that begin something else than a command.
var reserved = []string{"case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then", "time", "until", "while"}

// plainFirst tells the same of the first word: at the beginning, a - or + would be an option of the shell.
func plainFirst(word string) bool {
	return word[0] != '-' && word[0] != '+' && !slices.Contains(reserved, word)
}
