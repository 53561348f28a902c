package overlay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// inside runs a function in a network namespace. A socket that it makes stays there, whoever uses it later.
func inside(name string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with this goroutine, and nobody else finds himself in the namespace.
		runtime.LockOSThread()
		file, err := os.Open(namespace(name))
		if err == nil {
			err = errors.Join(unix.Setns(int(file.Fd()), unix.CLONE_NEWNET), file.Close())
		}
		if err != nil {
			done <- fmt.Errorf("namespace %s: %w", name, err)
			return
		}
		done <- do()
	}()
	return <-done
}

// timeout bounds one exchange beyond its own length: a way that carries nothing is an error and no endless run.
const timeout = 20 * time.Second

// pair is a connection from the first pod to the second, over a way: its two ends.
func pair(ctx context.Context, p path, within time.Duration) (client, server net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var listener net.Listener
	if err := inside(sides[1].pod, func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort(p.pod(sides[1]), "0"))
		return err
	}); err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	if err := inside(sides[0].pod, func() (err error) {
		client, err = new(net.Dialer).DialContext(ctx, "tcp4", listener.Addr().String())
		return err
	}); err != nil {
		return nil, nil, err
	}
	if server, err = listener.Accept(); err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	deadline := time.Now().Add(within + timeout)
	return client, server, errors.Join(client.SetDeadline(deadline), server.SetDeadline(deadline))
}

// send sends as fast as it goes for a time, and gives what arrived, in bit a second.
func (l *lab) send(ctx context.Context, p path, within time.Duration) (float64, error) {
	client, server, err := pair(ctx, p, within)
	if err != nil {
		return 0, err
	}
	defer server.Close()
	sent := make(chan error, 1)
	start := time.Now()
	go func() {
		buffer := make([]byte, 128<<10)
		for time.Since(start) < within {
			if _, err := client.Write(buffer); err != nil {
				sent <- errors.Join(err, client.Close())
				return
			}
		}
		sent <- client.Close()
	}()
	n, err := io.Copy(io.Discard, server)
	took := time.Since(start)
	if err := errors.Join(err, <-sent); err != nil {
		return 0, err
	}
	return float64(n) * 8 / took.Seconds(), nil
}

// ask makes requests one after the other on one connection, and gives the time that half of them took at most.
func (l *lab) ask(ctx context.Context, p path, requests int) (time.Duration, error) {
	client, server, err := pair(ctx, p, 0)
	if err != nil {
		return 0, err
	}
	defer server.Close()
	answered := make(chan error, 1)
	go func() {
		question, answer := make([]byte, questionBytes), make([]byte, AnswerBytes)
		for range requests {
			if _, err := io.ReadFull(server, question); err != nil {
				answered <- err
				return
			}
			if _, err := server.Write(answer); err != nil {
				answered <- err
				return
			}
		}
		answered <- nil
	}()
	question, answer := make([]byte, questionBytes), make([]byte, AnswerBytes)
	times := make([]time.Duration, requests)
	for i := range times {
		start := time.Now()
		_, err := client.Write(question)
		if err == nil {
			_, err = io.ReadFull(client, answer)
		}
		if err != nil {
			return 0, errors.Join(err, client.Close(), server.Close(), <-answered)
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[len(times)/2], errors.Join(<-answered, client.Close())
}

// questionBytes is the size of a request.
const questionBytes = 200
