package capacity

import (
	"math"
	"strings"
	"testing"
	"time"

	"havre/stacks"
)

var today = time.Date(2026, time.November, 21, 15, 0, 0, 0, time.UTC)

// two is a stack of two sites with so many workers of 10 cores and 16 GiB each, and a load of so many requests a second of 10 ms.
func two(gra, rbx, peak int) stacks.Plan {
	p := stacks.Plan{Stack: stacks.Stack{Name: "test", Sites: []stacks.Site{{Name: "gra"}, {Name: "rbx"}, {Name: "sbg"}}, Render: stacks.Render{
		PeakPerSecond: peak, CPUPerRequest: 10 * time.Millisecond, CPUTargetPercent: 50, CPURequest: 1000, MemoryRequest: 1024, MinReplicas: 2, MaxReplicas: 12,
	}}}
	for site, n := range map[string]int{"gra": gra, "rbx": rbx} {
		for range n {
			p.Workers = append(p.Workers, stacks.PlannedNode{Node: stacks.Node{Site: site, Offer: stacks.Offer{Cores: 10, MemoryGiB: 16}}})
		}
	}
	return p
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.005 }

// TestByHand: one worker of 10 cores offers 9.8 to pods, one of 16 GiB 15316 MiB. A peak of 500 takes 5 cores; at a target of half a core a pod the autoscaler wants
// 10 pods, which ask for 10 cores and 10 GiB.
func TestByHand(t *testing.T) {
	f, err := Of(Args{Plan: two(2, 2, 500), Growth: 0.1, Today: today})
	if err != nil {
		t.Fatal(err)
	}
	if f.Load != 5000 || f.Pods != 10 || f.Requested != 10_000 || f.RequestedMemory != 10*1024 {
		t.Errorf("load %d, %d pods, %d and %d requested; wanted 5000, 10, 10000, 10240", f.Load, f.Pods, f.Requested, f.RequestedMemory)
	}
	if len(f.Sites) != 2 || f.Sites[0].CPU != 19_600 || f.Sites[0].Memory != 30_632 {
		t.Errorf("sites %+v; wanted 2 of 19600 and 30632", f.Sites)
	}
	// 10/39.2, 5/39.2, 10240/61264; with a site lost twice that.
	for i, want := range [][3]float64{{25.51, 12.76, 16.71}, {51.02, 25.51, 33.43}, {51.02, 25.51, 33.43}} {
		c := f.Cases[i]
		if !near(c.CPUPercent, want[0]) || !near(c.LoadPercent, want[1]) || !near(c.MemoryPercent, want[2]) || !c.Holds() {
			t.Errorf("case %d is %+v; wanted %v", i, c, want)
		}
	}
	// Memory is first: ln(80/33.429)/ln(1.1) = 9.16 months = 278.7 days after 2026-11-21 is 2027-08-26; three days before is 2027-08-23.
	n := f.Next
	if n == nil || n.Because != "memory" || !near(n.Months, 9.155) || n.Full.Format(time.DateOnly) != "2027-08-26" || n.By.Format(time.DateOnly) != "2027-08-23" {
		t.Errorf("next %+v; wanted memory, 9.16 months, 2027-08-26, 2027-08-23", n)
	}
	if got := strings.Join(n.Sites, " "); got != "gra rbx" {
		t.Errorf("workers in %s; wanted one in each site, for each may be the one that is lost", got)
	}
}

func TestPodsStayWithinTheStacksBounds(t *testing.T) {
	for peak, want := range map[int]int{0: 2, 100: 2, 101: 3, 500: 10, 5000: 12} {
		f, err := Of(Args{Plan: two(2, 2, peak), Today: today})
		if err != nil {
			t.Fatal(err)
		}
		if f.Pods != want {
			t.Errorf("a peak of %d: %d pods, want %d", peak, f.Pods, want)
		}
	}
}

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   Args
		want   string
		begins bool
	}{
		{name: "no growth", args: Args{Plan: two(2, 2, 500), Today: today}, want: "The peak does not grow, so nothing has to be ordered."},
		{name: "past the line", args: Args{Plan: two(1, 3, 900), Growth: 0.04, Today: today}, want: "The peak's processor time is past the 80 % line already with rbx lost: order one more worker (gra) now."},
		{name: "too late", args: Args{Plan: two(1, 1, 500), Growth: 0.1, Delivery: 10000 * time.Hour, Today: today}, begins: true, want: "At 10 % a month the peak's memory reaches the 80 % line"},
		{name: "no load", args: Args{Plan: two(2, 2, 0), Growth: 1e-9, Today: today}, begins: true, want: "At 0 % a month nothing has to be ordered in this century."},
	} {
		f, err := Of(c.args)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Sentence(today)
		if got != c.want && (!c.begins || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAStackWithoutWorkers(t *testing.T) {
	_, err := Of(Args{Plan: two(0, 0, 1)})
	if err == nil || err.Error() != "capacity: stack test has no worker; add one in stacks/" {
		t.Errorf("error %v", err)
	}
}

func TestGrowth(t *testing.T) {
	for text, want := range map[string]float64{"4%/month": 0.04, "4 % / month": 0.04, "0%": 0, "60%/year": 0.039944, "1%/week": 0.044216, "-5%": -0.05} {
		got, err := ParseGrowth(text)
		if err != nil || math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %v, error %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":         `growth "": wanted percent a week, month or year, such as 4%/month`,
		"4":        `growth "4": wanted percent a week, month or year, such as 4%/month`,
		"4%/day":   `growth "4%/day": wanted percent a week, month or year, such as 4%/month`,
		"-100%":    `growth "-100%": wanted more than -100 % and at most 1000 %`,
		"NaN%":     `growth "NaN%": wanted percent a week, month or year, such as 4%/month`,
		"5000%/mo": `growth "5000%/mo": wanted percent a week, month or year, such as 4%/month`,
	} {
		if _, err := ParseGrowth(text); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}
