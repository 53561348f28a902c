// Package sftpserver is the other side of package sftp, for hosts that are no hosts. What one would get wrong: it knows the few requests that copying sends, and
// keeps nobody inside its folder, so nothing but a test and a measurement may serve it, to itself.
package sftpserver

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// Serve answers the requests of SFTP version 3 that copying needs, below a folder, until the connection ends.
func Serve(conn io.ReadWriter, root string) {
	files := map[string]*os.File{}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for {
		var head [5]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:])-1)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		if head[4] == 1 {
			answer(conn, 2, binary.BigEndian.AppendUint32(nil, 3))
			continue
		}
		id, rest := body[:4], body[4:]
		first, rest := str(rest)
		switch head[4] {
		case 17: // stat
			info, err := os.Stat(filepath.Join(root, first))
			if err != nil {
				answer(conn, 101, failed(id, err))
				continue
			}
			mode := uint32(info.Mode().Perm()) | 0o100000
			if info.IsDir() {
				mode = uint32(info.Mode().Perm()) | 0o040000
			}
			attrs := binary.BigEndian.AppendUint32(append([]byte(nil), id...), 1|2|4)
			attrs = binary.BigEndian.AppendUint64(attrs, uint64(info.Size()))
			attrs = binary.BigEndian.AppendUint64(attrs, 0)
			answer(conn, 105, binary.BigEndian.AppendUint32(attrs, mode))
		case 14: // mkdir
			answer(conn, 101, failed(id, os.Mkdir(filepath.Join(root, first), 0o755)))
		case 3: // open
			f, err := os.Create(filepath.Join(root, first))
			if err != nil {
				answer(conn, 101, failed(id, err))
				continue
			}
			handle := strconv.Itoa(len(files))
			files[handle] = f
			answer(conn, 102, appendStr(append([]byte(nil), id...), handle))
		case 6: // write
			offset := binary.BigEndian.Uint64(rest)
			data, _ := str(rest[8:])
			_, err := files[first].WriteAt([]byte(data), int64(offset))
			answer(conn, 101, failed(id, err))
		case 4: // close
			answer(conn, 101, failed(id, files[first].Close()))
		default:
			answer(conn, 101, failed(id, errors.New("not supported")))
		}
	}
}

func answer(conn io.Writer, kind byte, body []byte) {
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	_, _ = conn.Write(append(append(packet, kind), body...))
}

// failed is the status packet of an error, or of success for nil.
func failed(id []byte, err error) []byte {
	code, message := uint32(0), ""
	switch {
	case errors.Is(err, os.ErrNotExist):
		code, message = 2, "No such file"
	case err != nil:
		code, message = 4, "Failure"
	}
	body := binary.BigEndian.AppendUint32(append([]byte(nil), id...), code)
	return appendStr(appendStr(body, message), "")
}

func str(b []byte) (string, []byte) {
	n := 4 + binary.BigEndian.Uint32(b)
	return string(b[4:n]), b[n:]
}

func appendStr(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(s))), s...)
}
