package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"
)

// hostKeyReader makes a function that asks a host's sshd for its public key and leaves before logging in. Through, when not empty, is a SOCKS5 proxy:
// hosts may be reachable only from elsewhere.
func hostKeyReader(through string) (func(ctx context.Context, address string) (string, error), error) {
	dial := (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	if through != "" {
		u, err := url.Parse(through)
		if err != nil || u.Scheme != "socks5" || u.Host == "" {
			return nil, fmt.Errorf("OVHMETAL_SSH_PROXY %q is not a SOCKS5 address; write socks5://host:port", through)
		}
		d, err := proxy.SOCKS5("tcp", u.Host, nil, &net.Dialer{Timeout: 10 * time.Second})
		if err != nil {
			return nil, fmt.Errorf("OVHMETAL_SSH_PROXY %q: %w", through, err)
		}
		dial = d.(proxy.ContextDialer).DialContext
	}
	return func(ctx context.Context, address string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		target := net.JoinHostPort(address, "22")
		conn, err := dial(ctx, "tcp", target)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			if err := conn.SetDeadline(deadline); err != nil {
				return "", err
			}
		}
		key := ""
		seen := errors.New("key seen")
		_, _, _, err = ssh.NewClientConn(conn, target, &ssh.ClientConfig{
			User:              "debian",
			HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
			HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
				key = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
				return seen
			},
		})
		if key != "" {
			return key, nil
		}
		return "", fmt.Errorf("no ed25519 key was shown: %w", err)
	}, nil
}
