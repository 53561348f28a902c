package output

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestOnlyWhatLoggingAllowsIsShown(t *testing.T) {
	for logging, want := range map[string][]string{
		"":     {"one", "two", "warn", "rest", "last"},
		Both:   {"one", "two", "warn", "rest", "last"},
		Stdout: {"one", "two", "rest"},
		Stderr: {"warn", "last"},
		None:   nil,
	} {
		var lines []string
		c := New(logging, func(line string) { lines = append(lines, line) })
		for _, part := range []string{"one\ntw", "o\r\nre", "st"} {
			if n, err := c.Stdout().Write([]byte(part)); n != len(part) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			if part == "o\r\nre" {
				_, _ = c.Stderr().Write([]byte("warn\nlast"))
			}
		}
		c.Close()
		if !slices.Equal(lines, want) {
			t.Errorf("logging %q shows %q, want %q", logging, lines, want)
		}
		if out, err := c.Texts(); out != "one\ntwo\r\nrest" || err != "warn\nlast" {
			t.Errorf("texts %q and %q", out, err)
		}
	}
}

func TestALongLineIsCut(t *testing.T) {
	var lines []string
	c := New(Both, func(line string) { lines = append(lines, line) })
	for range 3 {
		_, _ = c.Stdout().Write([]byte(strings.Repeat("x", longestLine)))
	}
	_, _ = c.Stdout().Write([]byte("\nnext\n"))
	if len(lines) != 2 || len(lines[0]) != longestLine || lines[1] != "next" {
		t.Errorf("%d lines", len(lines))
	}
}

func TestAnErrorNeverShowsHiddenStdout(t *testing.T) {
	c := New(None, func(string) {})
	_, _ = c.Stdout().Write([]byte("token"))
	_, _ = c.Stderr().Write([]byte("reason\n"))
	if got := c.Error(errors.New("exit status 1"), "invite").Error(); got != "exit status 1: running \"invite\":\nreason\n(stdout is not shown: logging is off; 5 bytes)\n" {
		t.Errorf("got %q", got)
	}
}
