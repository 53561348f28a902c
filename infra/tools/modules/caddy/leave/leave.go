// Package leave is a listener of our Caddy that ends as readers need it, the module caddy.listeners.leave: at SIGTERM it takes no connection any more and serves those that it
// has, until the server itself shuts down after `shutdown_delay`.
//
// Without it a node that leaves cuts readers off: net/http closes a connection whose first request arrives after Shutdown has begun (go1.26.8, net/http/server.go, conn.serve), and
// that is every connection in the middle of its handshake. What a reader would get wrong: to close a listening socket is not enough, for the kernel resets connections that it has
// made and nobody has accepted. So first it gets no new ones, then it is emptied, then it is closed; from then on who comes is refused, and goes to another node at once.
package leave

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

func init() { caddy.RegisterModule(Leave{}) }

// settled is how long connections that the kernel is making when the signal comes have to be made: a way there and back, with room. Who comes meanwhile hears nothing, and is
// refused when he asks again, a second later; a client that knows another address is there after a quarter of that (RFC 8305).
const settled = 500 * time.Millisecond

// Leave is the module, the first of a server's `listener_wrappers`; the one of TLS goes behind it.
type Leave struct {
	log *zap.Logger
}

// CaddyModule names the module.
func (Leave) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.leave", New: func() caddy.Module { return new(Leave) }}
}

// Provision implements caddy.Provisioner.
func (l *Leave) Provision(ctx caddy.Context) error {
	l.log = ctx.Logger()
	return nil
}

// WrapListener implements caddy.ListenerWrapper.
func (l *Leave) WrapListener(under net.Listener) net.Listener {
	wrapped, err := wrap(under)
	if err != nil {
		l.log.Error("readers under way are cut off when this ends", zap.Error(err))
		return under
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		select {
		case <-wrapped.closed:
			return
		case <-signals:
		}
		l.log.Info("takes no new connections", zap.Stringer("address", under.Addr()))
		if err := wrapped.leave(settled); err != nil {
			l.log.Error("readers under way may be cut off", zap.Error(err))
		}
	}()
	return wrapped
}

// listener is a listening socket that can be left.
type listener struct {
	net.Listener
	socket syscall.RawConn

	once   sync.Once
	closed chan struct{}

	under    sync.Once
	underErr error
	left     chan struct{}
}

func wrap(under net.Listener) (*listener, error) {
	conn, err := socketOf(under)
	if err != nil {
		return nil, err
	}
	socket, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("leave: %w", err)
	}
	return &listener{Listener: under, socket: socket, closed: make(chan struct{}), left: make(chan struct{})}, nil
}

// socketOf finds the socket beneath Caddy's own wrappers, which embed it and do not hand it out.
func socketOf(l net.Listener) (syscall.Conn, error) {
	for at := l; at != nil; {
		if conn, ok := at.(syscall.Conn); ok {
			return conn, nil
		}
		value := reflect.Indirect(reflect.ValueOf(at))
		if value.Kind() != reflect.Struct {
			break
		}
		field := value.FieldByName("Listener")
		if !field.IsValid() || !field.CanInterface() {
			break
		}
		at, _ = field.Interface().(net.Listener)
	}
	return nil, fmt.Errorf("leave: no socket beneath %T", l)
}

// Accept gives connections until the listener is left, and then an error only once the server closes it, as it expects.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		select {
		case <-l.left:
			<-l.closed
		default:
		}
	}
	return conn, err
}

// Close implements net.Listener, whether it was left before or not.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.closeUnder()
}

func (l *listener) closeUnder() error {
	l.under.Do(func() { l.underErr = l.Listener.Close() })
	return l.underErr
}

// leave takes no new connections, gives those that are being made the time to arrive, and closes the socket.
func (l *listener) leave(settled time.Duration) error {
	err := l.refuse()
	select {
	case <-l.closed:
	case <-time.After(settled):
	}
	close(l.left)
	return errors.Join(err, l.closeUnder())
}

// refuse makes the kernel drop segments that begin a connection; a socket of Multipath TCP, which Go's listeners are unless told otherwise, cannot. A program on a
// listening socket sees a segment from its TCP header on; the flags are its 14th byte.
func (l *listener) refuse() error {
	const syn, flags = 0x02, 13
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	var set error
	if err := l.socket.Control(func(fd uintptr) {
		set = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	}); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if set != nil {
		return fmt.Errorf("leave: new connections are still made: %w", os.NewSyscallError("setsockopt SO_ATTACH_FILTER", set))
	}
	return nil
}

var (
	_ caddy.Provisioner     = (*Leave)(nil)
	_ caddy.ListenerWrapper = (*Leave)(nil)
)
