// Package homefile writes files below the home directory of a service account, on a host that need have no more than a POSIX shell.
// It knows neither what is in the files nor how commands get to the host.
package homefile

import "strconv"

// SaveScript writes standard input, of $3 bytes, into the file $2 of the directory $1 below the home directory, for its owner only:
// all of it or nothing. One that is there is replaced.
const SaveScript = `umask 077
cd && mkdir -p "$1" && cd "$1" || exit 1
new=.$2.new.$$
trap 'rm -f "$new"' 0
cat >"$new" || exit 1
if [ "$(($(wc -c <"$new")))" -ne "$3" ]; then
	echo "not all of it arrived" >&2
	exit 1
fi
mv "$new" "$2"`

// Save is the command that writes a file of so many bytes, which it gets on standard input.
func Save(dir, file string, size int) []string {
	return []string{"sh", "-c", SaveScript, "sh", dir, file, strconv.Itoa(size)}
}
