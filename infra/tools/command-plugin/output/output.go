// Package output is what becomes of a command's output: the captured text, the lines in the engine's display, and the tail in an error.
//
// What one would get wrong: a command whose logging is off may print a secret, so its stdout is kept out of the error as well.
package output

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// The longest command and the longest tail that an error shows, in bytes: a script of 300 lines would bury what went wrong.
const (
	shownCommand = 160
	shownTail    = 4096
)

// longestLine is where a line for the display is cut, in bytes.
const longestLine = 4096

// The values of the `logging` input.
const (
	Stdout = "stdout"
	Stderr = "stderr"
	Both   = "stdoutAndStderr"
	None   = "none"
)

// Values lists them for a schema.
func Values[T ~string]() []infer.EnumValue[T] {
	return []infer.EnumValue[T]{
		{Name: "stdout", Value: Stdout, Description: "Capture stdout in logs but not stderr"},
		{Name: "stderr", Value: Stderr, Description: "Capture stderr in logs but not stdout"},
		{Name: "stdoutAndStderr", Value: Both, Description: "Capture stdout and stderr in logs"},
		{Name: "none", Value: None, Description: "Capture no logs"},
	}
}

// Capture takes a command's output. Its two writers may be used at once.
type Capture struct {
	mu       sync.Mutex
	logging  string
	log      func(string)
	out, err bytes.Buffer
	// shown is what an error may show, in the order in which it came.
	shown bytes.Buffer
	// partial is a line for the display whose end has not come yet.
	partial map[string]*bytes.Buffer
}

// New captures output; log gets the lines that logging wants shown. An empty logging shows both streams.
func New(logging string, log func(string)) *Capture {
	if logging == "" {
		logging = Both
	}
	return &Capture{logging: logging, log: log, partial: map[string]*bytes.Buffer{Stdout: {}, Stderr: {}}}
}

type writer struct {
	c      *Capture
	stream string
	to     *bytes.Buffer
}

// Stdout returns the writer for the command's standard output.
func (c *Capture) Stdout() interface{ Write([]byte) (int, error) } { return writer{c, Stdout, &c.out} }

// Stderr returns the writer for the command's standard error.
func (c *Capture) Stderr() interface{ Write([]byte) (int, error) } { return writer{c, Stderr, &c.err} }

func (w writer) Write(text []byte) (int, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.to.Write(text)
	if w.stream == Stderr || w.c.logging != None {
		w.c.shown.Write(text)
	}
	if w.c.logging == Both || w.c.logging == w.stream {
		w.c.lines(w.stream, text)
	}
	return len(text), nil
}

// lines shows the whole lines of a stream and keeps the rest for later.
func (c *Capture) lines(stream string, text []byte) {
	buffer := c.partial[stream]
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if room := longestLine - buffer.Len(); room > 0 {
			buffer.Write(line[:min(room, len(line))])
		}
		if !whole {
			return
		}
		c.show(buffer)
		text = rest
	}
}

func (c *Capture) show(buffer *bytes.Buffer) {
	c.log(strings.TrimSuffix(buffer.String(), "\r"))
	buffer.Reset()
}

// Close shows lines that had no end.
func (c *Capture) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stream := range []string{Stdout, Stderr} {
		if c.partial[stream].Len() > 0 {
			c.show(c.partial[stream])
		}
	}
}

// Texts returns both streams as they become outputs: less one newline at the end.
func (c *Capture) Texts() (stdout, stderr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSuffix(c.out.String(), "\n"), strings.TrimSuffix(c.err.String(), "\n")
}

// Error is the error of a command that did not succeed: why, what was run, and the end of what it said. A long command and a long output are cut, and
// with logging off stdout is left out.
func (c *Capture) Error(cause error, command string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(command) > shownCommand {
		command = command[:shownCommand] + fmt.Sprintf("… (%d bytes)", len(command))
	}
	text := c.shown.String()
	if len(text) > shownTail {
		text = fmt.Sprintf("(%d bytes before this)\n%s", len(text)-shownTail, text[len(text)-shownTail:])
	}
	if c.logging == None && c.out.Len() > 0 {
		text += fmt.Sprintf("(stdout is not shown: logging is off; %d bytes)\n", c.out.Len())
	}
	return fmt.Errorf("%w: running %q:\n%s", cause, command, text)
}
