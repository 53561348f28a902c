// Package sftp writes files over SFTP version 3, the version that OpenSSH speaks: the few requests that copying needs.
//
// What one would get wrong: waiting for each write's answer costs a round trip per 32 kB, so writes are sent ahead and their answers counted.
package sftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The packets used, by their numbers in draft-ietf-secsh-filexfer-02.
const (
	packetInit    = 1
	packetVersion = 2
	packetOpen    = 3
	packetClose   = 4
	packetWrite   = 6
	packetMkdir   = 14
	packetStat    = 17
	packetStatus  = 101
	packetHandle  = 102
	packetAttrs   = 105
)

// The statuses told apart.
const (
	statusOK         = 0
	statusNoSuchFile = 2
)

// The flags of an open that writes a file anew.
const openWriteNew = 0x02 | 0x08 | 0x10

// A write's size, and how many are sent ahead. Every server must take packets of 34,000 bytes.
const (
	chunk = 32 << 10
	ahead = 16
)

// largestPacket bounds an answer: none that is asked for here comes near it.
const largestPacket = 256 << 10

// Client is a session with an SFTP server. It is not safe for concurrent use.
type Client struct {
	conn io.ReadWriteCloser
	next uint32
}

// New greets the server.
func New(conn io.ReadWriteCloser) (*Client, error) {
	c := &Client{conn: conn}
	if err := c.send(packetInit, binary.BigEndian.AppendUint32(nil, 3)); err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	kind, body, err := c.receive()
	if err != nil {
		return nil, fmt.Errorf("sftp: the server does not answer: %w", err)
	}
	if kind != packetVersion || len(body) < 4 || binary.BigEndian.Uint32(body) < 3 {
		return nil, errors.New("sftp: the server does not speak version 3")
	}
	return c, nil
}

// Close ends the session.
func (c *Client) Close() error { return c.conn.Close() }

// Stat says whether a path is there and is a folder. A path that is not there is os.ErrNotExist.
func (c *Client) Stat(path string) (folder bool, err error) {
	kind, body, err := c.call(packetStat, text(nil, path))
	if err != nil {
		return false, err
	}
	if kind != packetAttrs {
		return false, status(kind, body)
	}
	if len(body) < 4 {
		return false, errors.New("short attributes")
	}
	flags, body := binary.BigEndian.Uint32(body), body[4:]
	// Size and owner stand before the permissions where their bits are set.
	for _, field := range []struct {
		bit  uint32
		size int
	}{{1, 8}, {2, 8}} {
		if flags&field.bit != 0 {
			if len(body) < field.size {
				return false, errors.New("short attributes")
			}
			body = body[field.size:]
		}
	}
	if flags&4 == 0 || len(body) < 4 {
		return false, errors.New("attributes without permissions")
	}
	return binary.BigEndian.Uint32(body)&0o170000 == 0o040000, nil
}

// Mkdir makes a folder.
func (c *Client) Mkdir(path string) error {
	kind, body, err := c.call(packetMkdir, binary.BigEndian.AppendUint32(text(nil, path), 0))
	if err != nil {
		return err
	}
	return status(kind, body)
}

// Write writes a file anew.
func (c *Client) Write(path string, content io.Reader) error {
	request := binary.BigEndian.AppendUint32(text(nil, path), openWriteNew)
	kind, body, err := c.call(packetOpen, binary.BigEndian.AppendUint32(request, 0))
	if err != nil {
		return err
	}
	if kind != packetHandle {
		return status(kind, body)
	}
	handle, err := str(body)
	if err != nil {
		return err
	}
	return errors.Join(c.write(handle, content), c.closeFile(handle))
}

// write sends the content, some packets ahead of their answers. After the first failed one nothing more is sent, but every answer is taken.
func (c *Client) write(handle []byte, content io.Reader) error {
	var failure error
	waiting := 0
	take := func() error {
		kind, body, err := c.receive()
		if err != nil {
			return err
		}
		waiting--
		if len(body) < 4 {
			return errors.New("short answer")
		}
		if err := status(kind, body[4:]); err != nil && failure == nil {
			failure = err
		}
		return nil
	}
	buffer := make([]byte, chunk)
	for offset := uint64(0); failure == nil; {
		n, err := io.ReadFull(content, buffer)
		if n > 0 {
			c.next++
			body := text(binary.BigEndian.AppendUint32(nil, c.next), string(handle))
			body = text(binary.BigEndian.AppendUint64(body, offset), string(buffer[:n]))
			if err := c.send(packetWrite, body); err != nil {
				return err
			}
			offset += uint64(n)
			waiting++
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			failure = err
		}
		if waiting >= ahead {
			if err := take(); err != nil {
				return err
			}
		}
	}
	for waiting > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return failure
}

func (c *Client) closeFile(handle []byte) error {
	kind, body, err := c.call(packetClose, text(nil, string(handle)))
	if err != nil {
		return err
	}
	return status(kind, body)
}

// call sends a request and waits for its answer, less the number that ties the two.
func (c *Client) call(kind byte, body []byte) (byte, []byte, error) {
	c.next++
	if err := c.send(kind, append(binary.BigEndian.AppendUint32(nil, c.next), body...)); err != nil {
		return 0, nil, err
	}
	answer, body, err := c.receive()
	if err != nil {
		return 0, nil, err
	}
	if len(body) < 4 || binary.BigEndian.Uint32(body) != c.next {
		return 0, nil, errors.New("the answer belongs to another request")
	}
	return answer, body[4:], nil
}

func (c *Client) send(kind byte, body []byte) error {
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	_, err := c.conn.Write(append(append(packet, kind), body...))
	return err
}

func (c *Client) receive() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 1 || size > largestPacket {
		return 0, nil, fmt.Errorf("a packet of %d bytes", size)
	}
	body := make([]byte, size-1)
	_, err := io.ReadFull(c.conn, body)
	return head[4], body, err
}

// status turns an answer into an error, nil for success.
func status(kind byte, body []byte) error {
	if kind != packetStatus || len(body) < 4 {
		return fmt.Errorf("unexpected answer %d", kind)
	}
	switch code := binary.BigEndian.Uint32(body); code {
	case statusOK:
		return nil
	case statusNoSuchFile:
		return os.ErrNotExist
	default:
		message, err := str(body[4:])
		if err != nil || len(message) == 0 {
			return fmt.Errorf("status %d", code)
		}
		return fmt.Errorf("%s", message)
	}
}

// text appends a string as the protocol writes it.
func text(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(s))), s...)
}

// str reads the string at the front.
func str(body []byte) ([]byte, error) {
	if len(body) < 4 || uint64(len(body)-4) < uint64(binary.BigEndian.Uint32(body)) {
		return nil, errors.New("short string")
	}
	return body[4 : 4+int(binary.BigEndian.Uint32(body))], nil
}
