package restore

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"havre/infra/jump"
)

// SSH is a host reached over SSH with its pinned key.
type SSH struct {
	jump.Host
	User   string
	Signer ssh.Signer
}

// saidLast is how many lines of standard error an error repeats.
const saidLast = 20

// Run is Host's. The end of the context closes the connection; the command on the host is bounded by itself.
func (h SSH) Run(ctx context.Context, command string) (string, error) {
	client, err := jump.Dial(h.Host, h.User, h.Signer)
	if err != nil {
		return "", fmt.Errorf("ssh to %s: %w", h.Address, err)
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("ssh to %s: %w", h.Address, err)
	}
	defer session.Close()
	var out, said bytes.Buffer
	session.Stdout, session.Stderr = &out, &said
	if err := session.Run(command); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return out.String(), fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-saidLast):], "\n"))
	}
	return out.String(), nil
}
