//go:build faults

package pulumikills

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/ssh"
)

// hosts answers for the sshd of every host: a SOCKS5 proxy on loopback behind which no host is. The plugin is led there by OVHMETAL_SSH_PROXY, as an
// engineer is who reaches hosts only through a jump.
type hosts struct{ listener net.Listener }

func newHosts() (*hosts, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hosts{listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = serve(conn) // the plugin may be killed at any moment
			}()
		}
	}()
	return h, nil
}

func (h *hosts) url() string { return "socks5://" + h.listener.Addr().String() }

// serve answers one SOCKS5 request to an IPv4 address, then speaks SSH with the key of that address.
func serve(conn net.Conn) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, head[1])); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil {
		return err
	}
	request := make([]byte, 10)
	if _, err := io.ReadFull(conn, request); err != nil {
		return err
	}
	if request[1] != 1 || request[3] != 1 || binary.BigEndian.Uint16(request[8:]) != 22 {
		return fmt.Errorf("request %v is not a connection to port 22 of an IPv4 address", request)
	}
	if _, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return err
	}
	seed := sha256.Sum256(request[4:8])
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, errors.New("nobody logs in") }}
	config.AddHostKey(key)
	_, _, _, err = ssh.NewServerConn(conn, config)
	return err
}
