// Package pluginlife ends a plugin when the engine that started it is gone.
//
// A killed engine leaves its plugins and language hosts behind, and one of them may be in the middle of an order or of a command on a host while the
// next run starts. What one would get wrong: the kernel's own parent-death signal follows the thread that started the child, and Go's threads come and
// go, so the parent is watched by its process id instead.
package pluginlife

import (
	"os"
	"sync"
	"time"
)

// Poll is how often the parent is looked for: soon enough that no next run meets the old plugin, seldom enough to cost nothing.
const Poll = 250 * time.Millisecond

// Grace is what a plugin gets to end its work properly once the engine is gone: a remote process is told to stop, an order's id is written down.
const Grace = 10 * time.Second

// Watch looks after this process's parent. Once that has ended, gone is called, once, to cancel what is running; when it has returned, or the grace is
// over, the process exits with status 1. The returned function ends the watch.
func Watch(gone func(), grace time.Duration) (stop func()) {
	return watch(os.Getppid, Poll, gone, grace, func() { os.Exit(1) })
}

func watch(parent func() int, poll time.Duration, gone func(), grace time.Duration, exit func()) (stop func()) {
	first := parent()
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if parent() == first {
				continue
			}
			returned := make(chan struct{})
			go func() {
				defer close(returned)
				gone()
			}()
			select {
			case <-returned:
			case <-time.After(grace):
			case <-done:
				return
			}
			exit()
			return
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}
