package drill

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what else the machine did, on which everything ran: where its processors were short, requests fail that nobody broke.
type Machine struct {
	Processors int `json:"processors"`
	// LoadBefore and LoadAfter are how many processes wanted a processor, on average over the last minute.
	LoadBefore float64 `json:"loadBefore"`
	LoadAfter  float64 `json:"loadAfter"`
	// BusyPercent is the share of the processors' time that was used during the drill, NicedPercent what those took of it that stand back for all others.
	BusyPercent  float64 `json:"busyPercent"`
	NicedPercent float64 `json:"nicedPercent"`
	// WorkerShares are the shares of the processors that each worker's host had where every other host had one.
	WorkerShares int `json:"workerShares"`
}

// workerShares is said in the runbook with its reason: here a VPS' work would take processors from dedicated servers, which nothing does in production.
const workerShares = 4

// favourReaders gives who asks, and measures, as much as a worker's host beside the sandbox's: in production readers are elsewhere. What it gives takes that back.
// A kernel that does not group by session has nothing to set.
func favourReaders() (back func()) {
	const group = "/proc/self/autogroup"
	// -6 is the nice value that weighs as much as four of 0 (sched(7)).
	if err := os.WriteFile(group, []byte("-6"), 0); err != nil {
		return func() {}
	}
	return func() { _ = os.WriteFile(group, []byte("0"), 0) }
}

// ticks are the processors' time since the machine's start, in the kernel's own unit.
type ticks struct {
	load              float64
	total, idle, nice uint64
}

// readTicks is readings of /proc; zero where there is none.
func readTicks() ticks {
	load, err := os.ReadFile("/proc/loadavg")
	stat, err2 := os.ReadFile("/proc/stat")
	if err != nil || err2 != nil {
		return ticks{}
	}
	return parseTicks(string(load), string(stat))
}

// parseTicks reads the first figure of /proc/loadavg and the first line of /proc/stat: user, nice, system, idle, iowait and others (proc(5)).
func parseTicks(load, stat string) ticks {
	var t ticks
	if fields := strings.Fields(load); len(fields) > 0 {
		t.load, _ = strconv.ParseFloat(fields[0], 64)
	}
	line, _, _ := strings.Cut(stat, "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseUint(field, 10, 64)
		// Guests' time, from the ninth on, is in user's and nice's already.
		if err != nil || i > 8 {
			continue
		}
		t.total += n
		switch i {
		case 2:
			t.nice = n
		case 4, 5:
			t.idle += n
		}
	}
	return t
}

// until is what the machine did between two readings.
func (t ticks) until(end ticks) Machine {
	m := Machine{Processors: runtime.NumCPU(), WorkerShares: workerShares, LoadBefore: t.load, LoadAfter: end.load}
	if total := float64(end.total - t.total); total > 0 {
		percent := func(n uint64) float64 { return math.Round(1000*float64(n)/total) / 10 }
		m.BusyPercent, m.NicedPercent = percent(end.total-t.total-(end.idle-t.idle)), percent(end.nice-t.nice)
	}
	return m
}

// String is a line for people.
func (m Machine) String() string {
	return fmt.Sprintf("machine: load %.1f before, %.1f after; its %d processors were busy for %.0f %% of the time, %.0f %% with niced work; a worker's host had %d shares of them, any other one", m.LoadBefore, m.LoadAfter, m.Processors, m.BusyPercent, m.NicedPercent, m.WorkerShares)
}
