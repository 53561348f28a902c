package bench

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// median is the middle one, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// childrenCPU is the processor time, in seconds, of all processes that this one has started and that have ended, theirs included.
func childrenCPU() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) }

func whole(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

func percent(part, all float64) string {
	if all == 0 {
		return ""
	}
	return strconv.FormatFloat(100*part/all, 'f', 0, 64)
}

func ratio(value, floor float64) string {
	if floor == 0 {
		return ""
	}
	return strconv.FormatFloat(value/floor, 'f', 2, 64)
}

// bytes is a size for people.
func bytes(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
