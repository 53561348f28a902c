// Package script renders the bash text that runs on hosts. It is pure: no Pulumi, no network, no clock, so that what a preview shows is all there is.
//
// The thing to get wrong: a script lies in the state of every host, twice (inputs and outputs), and in clear. Nothing secret may be in it (secrets come on
// standard input), and what several scripts share belongs into the library, which the host's base set-up installs once.
package script

import (
	"strings"
)

// LibraryPath is where the base set-up puts the shared functions, and where every later script reads them from.
const LibraryPath = "/usr/local/lib/havre/lib.sh"

// delimiter ends the here-document that carries a script. Quote and the renderers never make a line of it.
const delimiter = "HAVRE"

// AsRoot wraps a script for the login shell of the administrator: it runs under bash as root with errexit, nounset and pipefail, after the library, with
// standard input and exit status kept. sudo asks for nothing (-n): a host whose administrator needs a password fails at once instead of hanging.
//
// The text travels as one argument, whose limit on Linux is 128 KiB (MAX_ARG_STRLEN): 1,200 mesh peers, say.
func AsRoot(text string) string { return wrap(text, ". "+LibraryPath+"\n") }

// AsRootWithoutLibrary is AsRoot for the one script that brings the library.
func AsRootWithoutLibrary(text string) string { return wrap(text, "") }

func wrap(text, prefix string) string {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return "exec sudo -n -- bash -c \"$(cat <<'" + delimiter + "'\nset -euo pipefail\n" + prefix + text + delimiter + "\n)\"\n"
}

// Quote makes one word of s for bash, whatever it holds. Plain words stay as they are, so that a preview reads well.
func Quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+:,./-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Words quotes each and puts a space between.
func Words(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}

// File is the command that writes content to path with the given mode (such as 0644) by the library's havre_file, which replaces the file atomically and only
// when it differs. content must not be secret: it lies in the state in clear.
func File(path, mode, content string) string {
	if content != "" && !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	end := "EOF"
	for strings.Contains("\n"+content, "\n"+end+"\n") {
		end += "F"
	}
	return "havre_file " + Words(path, mode) + " <<'" + end + "'\n" + content + end + "\n"
}
