// Command pause holds a pod's namespaces: it waits for the end, and reaps what orphans a shared process namespace leaves to pid 1.
package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGCHLD)
	hold(signals)
}

// hold returns when the pod is to end.
func hold(signals <-chan os.Signal) {
	for sig := range signals {
		if sig != unix.SIGCHLD {
			return
		}
		reap()
	}
}

// reap takes every child that has ended: one signal may stand for several.
func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 && err != unix.EINTR {
			return
		}
	}
}
