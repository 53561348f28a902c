package drill

import (
	"runtime"
	"testing"
)

func TestMachine(t *testing.T) {
	begin := parseTicks("0.52 1.00 2.00 3/400 12345\n", "cpu  100 10 50 800 40 0 0 0 7 0\ncpu0 1 2 3 4 5\n")
	end := parseTicks("3.25 1.00 2.00 3/400 12399\n", "cpu  300 60 150 900 90 0 0 0 9 0\ncpu0 1 2 3 4 5\n")
	want := Machine{Processors: runtime.NumCPU(), WorkerShares: workerShares, LoadBefore: 0.52, LoadAfter: 3.25, BusyPercent: 70, NicedPercent: 10}
	if got := begin.until(end); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// A machine that does not tell is idle, not a division by zero.
	if got := parseTicks("", "").until(parseTicks("", "")); got != (Machine{Processors: runtime.NumCPU(), WorkerShares: workerShares}) {
		t.Errorf("got %+v of nothing", got)
	}
}
