// Package script renders the bash text that runs on hosts. It is pure: no Pulumi, no network, no clock, so that what a preview shows is all there is.
//
// The thing to get wrong: a command's text lies in the state of every host, twice (inputs and outputs), and in clear. Nothing secret may be in it (secrets come on
// standard input), and whatever is the same on all hosts belongs into the library, a folder of files that is copied to every host: a command names the files it
// uses and calls their functions with what is its own.
package script

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// The library: the code that runs on hosts. The files here are the files there; what is embedded is for their checksums.
const (
	// LibraryFolder is where the files are, from the project's root.
	LibraryFolder = "components/host/script/library"
	// CopyPath is where they are copied to, in the administrator's home.
	CopyPath = "havre"
	// InstalledPath is where root keeps those that some command has used.
	InstalledPath = "/usr/local/lib/havre"

	shared = "lib.sh"
	// checksumDigits of a file's SHA-256 are in a command's text: enough to tell versions and broken copies apart, for whoever could forge one is root there already.
	checksumDigits = 12
)

//go:embed library
var library embed.FS

// delimiter ends the here-document that carries a script. Quote and the renderers never make a line of it.
const delimiter = "HAVRE"

// LibraryFile is the text of a file of the library, for tests; empty when there is none of that name.
func LibraryFile(name string) string {
	text, err := library.ReadFile("library/" + name)
	if err != nil {
		return ""
	}
	return string(text)
}

// checksums are the beginnings of the files' by name. A run asks for them some thousand times.
var checksums = sync.OnceValue(func() map[string]string {
	sums := map[string]string{}
	entries, err := library.ReadDir("library")
	if err != nil {
		return sums // what is embedded can be read
	}
	for _, entry := range entries {
		sum := sha256.Sum256([]byte(LibraryFile(entry.Name())))
		sums[entry.Name()] = hex.EncodeToString(sum[:])[:checksumDigits]
	}
	return sums
})

// CheckFiles reports names that are not of the library.
func CheckFiles(names ...string) error {
	for _, name := range names {
		if checksums()[name] == "" {
			return fmt.Errorf("library has no file %q; put it into %s", name, LibraryFolder)
		}
	}
	return nil
}

// AsRoot is the command for the login shell of the administrator that runs a call: a function with its arguments, and its standard input in a here-document where it
// has one. It runs under bash as root with errexit, nounset and pipefail, after lib.sh and the other files given, with standard input and exit status kept. sudo asks
// for nothing (-n): a host whose administrator needs a password fails at once instead of hanging.
//
// Each file is named with the beginning of its checksum, so that a change of the code is a change of exactly the commands that use it. Names are those of
// CheckFiles. The text travels as one argument, whose limit on Linux is 128 KiB (MAX_ARG_STRLEN): 900 mesh peers, say.
func AsRoot(call string, files ...string) string {
	var words strings.Builder
	for _, name := range append([]string{shared}, files...) {
		words.WriteString(name + ":" + checksums()[name] + " ")
	}
	return "exec sudo -n bash " + CopyPath + "/library/run " + words.String() + ended(call)
}

// AsRootInstalled is AsRoot with the library as earlier commands of the host have installed it, whatever its version: for what is not to be done again because
// its code has changed.
func AsRootInstalled(call string, files ...string) string {
	return "exec sudo -n " + InstalledPath + "/run " + strings.Join(append([]string{shared}, files...), " ") + " " + ended(call)
}

// AsRootIfInstalled is AsRootInstalled for what takes something back: a host without the library has nothing of ours. A resource's delete is the text of the last
// run that had it, so it can name no checksum, and functions that it calls keep their names and arguments.
func AsRootIfInstalled(call string, files ...string) string {
	return "[ ! -e " + InstalledPath + "/run ] || " + AsRootInstalled(call, files...)
}

// Inline is the call that runs a script, for what is on one host only and so needs no place in the library.
func Inline(text string) string {
	return "havre_script <<'" + delimiter + "'\n" + ended(text) + delimiter + "\n"
}

func ended(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
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
