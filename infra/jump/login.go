package jump

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Login is a host on which an administrator runs commands, reached over SSH with its pinned key.
type Login struct {
	Host
	User   string
	Signer ssh.Signer
}

// saidLast is how many lines of standard error an error repeats.
const saidLast = 20

// Run runs a command and gives its standard output. Its error ends with what the command wrote to standard error. The end of the context closes the connection; the
// command on the host is bounded by itself.
func (l Login) Run(ctx context.Context, command string) (string, error) {
	return l.Feed(ctx, command, nil)
}

// Feed is Run with a standard input.
func (l Login) Feed(ctx context.Context, command string, input io.Reader) (string, error) {
	client, err := Dial(l.Host, l.User, l.Signer)
	if err != nil {
		return "", fmt.Errorf("ssh to %s: %w", l.Address, err)
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("ssh to %s: %w", l.Address, err)
	}
	defer session.Close()
	var out, said bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = input, &out, &said
	if err := session.Run(command); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return out.String(), fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-saidLast):], "\n"))
	}
	return out.String(), nil
}
