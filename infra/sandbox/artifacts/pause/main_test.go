package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestVersion(t *testing.T) {
	var out strings.Builder
	if !version([]string{"-v"}, &out) || out.String() != "pause of havre's sandbox\n" {
		t.Errorf("-v says %q", out.String())
	}
	for _, args := range [][]string{nil, {"-x"}, {"-v", "-v"}} {
		if version(args, &out) {
			t.Errorf("%v ends it", args)
		}
	}
}

func TestHoldReapsAndEnds(t *testing.T) {
	children := make([]int, 2)
	for i := range children {
		child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		children[i] = child.Pid
		// Waits for the end without taking it.
		for {
			err := unix.Waitid(unix.P_PID, child.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	signals := make(chan os.Signal, 2)
	signals <- unix.SIGCHLD
	signals <- unix.SIGTERM
	hold(signals)
	for _, pid := range children {
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
			t.Errorf("child %d was left: %v", pid, err)
		}
	}
}
