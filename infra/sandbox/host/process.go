package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is one process and no other: its number may be given again, its number and start together may not.
type Process struct {
	PID int `json:"pid"`
	// Start is when it started, in clock ticks since the machine's boot (field 22 of /proc/PID/stat).
	Start uint64 `json:"start"`
}

// stat is what this package reads of /proc/PID/stat.
type stat struct {
	state   byte
	parent  int
	threads int
	start   uint64
}

// ended says that nothing of the process runs. A zombie whose other threads are still ending holds its ports and files until they have.
func (s stat) ended() bool { return s.state == 'X' || s.state == 'Z' && s.threads <= 1 }

// parseStat reads a line of /proc/PID/stat. The name in it may hold spaces and brackets, so fields count from the last bracket.
func parseStat(line string) (stat, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 20 {
		return stat{}, fmt.Errorf("process: %q is no line of /proc/PID/stat", line)
	}
	parent, err1 := strconv.Atoi(fields[1])
	threads, err2 := strconv.Atoi(fields[17])
	start, err3 := strconv.ParseUint(fields[19], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return stat{}, fmt.Errorf("process: %q: %w", line, err)
	}
	return stat{state: fields[0][0], parent: parent, threads: threads, start: start}, nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// Identify notes a running process so that it can be found again, and only it.
func Identify(pid int) (Process, error) {
	s, err := readStat(pid)
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return Process{PID: pid, Start: s.start}, nil
}

// Alive says whether the process still runs. A zombie does not: where the machine's own pid 1 reaps nobody, it stays for ever.
func (p Process) Alive() bool {
	if p.PID <= 1 {
		return false
	}
	s, err := readStat(p.PID)
	return err == nil && s.start == p.Start && !s.ended()
}

// Signal sends sig if the process still runs.
func (p Process) Signal(sig unix.Signal) error {
	if !p.Alive() {
		return nil
	}
	if err := unix.Kill(p.PID, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	return nil
}

// children lists the processes whose parent is p, by number.
func (p Process) children() []Process {
	if !p.Alive() {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil && s.parent == p.PID && !s.ended() {
			found = append(found, Process{PID: pid, Start: s.start})
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return a.PID - b.PID })
	return found
}
