// Command pause holds a pod's namespaces: it waits for the end, and reaps what orphans a shared process namespace leaves to pid 1. As Kubernetes' own does, it only says
// with -v that it is there: kubeadm tries so before an upgrade whether the cluster runs a Job.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	if version(os.Args[1:], os.Stdout) {
		return
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGCHLD)
	hold(signals)
}

// version answers -v; false where it was not asked.
func version(args []string, out io.Writer) bool {
	if len(args) != 1 || args[0] != "-v" {
		return false
	}
	fmt.Fprintln(out, "pause of havre's sandbox")
	return true
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
