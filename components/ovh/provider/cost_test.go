package provider

import (
	"slices"
	"testing"
	"time"

	"havre/components/ovh/order"
)

func TestHoursBegun(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     int64
	}{
		{"2026-11-21T13:50:00Z", "2026-11-21T13:51:00Z", 1},
		{"2026-11-21T13:50:00Z", "2026-11-21T14:00:00Z", 2},
		{"2026-11-21T13:50:00Z", "2026-11-21T16:10:00Z", 4},
		{"2026-11-21T13:50:00+01:00", "2026-11-21T13:10:00Z", 2},
		{"2026-11-21T13:50:00Z", "2026-11-21T13:40:00Z", 1}, // OVH's clock and ours differ
	} {
		if got := hoursBegun(instant(t, c.from), instant(t, c.to)); got != c.want {
			t.Errorf("%s to %s: %d hours, want %d", c.from, c.to, got, c.want)
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestMonthsPaid(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     int64
	}{
		{"2026-11-21", "2026-12-21", 1},
		{"2026-11-21", "2026-12-22", 2},
		{"2026-11-21", "2027-11-21", 12},
		{"2027-01-31", "2027-02-28", 1},
		{"2027-01-31", "2027-03-31", 2},
		{"2026-11-21", "2026-11-21", 1},
	} {
		if got, err := monthsPaid(c.from, c.to); err != nil || got != c.want {
			t.Errorf("%s to %s: %d months, %v, want %d", c.from, c.to, got, err, c.want)
		}
	}
	for _, c := range [][2]string{{"", "2026-12-21"}, {"2026-11-21", "soon"}} {
		if got, err := monthsPaid(c[0], c[1]); err == nil {
			t.Errorf("%v is %d months", c, got)
		}
	}
}

func TestLedger(t *testing.T) {
	if got := (ledger{}).lines("EUR"); len(got) != 0 {
		t.Errorf("nothing ended, and it says %q", got)
	}
	price := func(text string) order.Money {
		m, err := order.ParseMoney(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	l := ledger{last: "2026-12-21"}
	l.hourly.add(price("0.664"))
	l.hourly.add(price("1"))
	l.monthly.add(price("159.98"))
	want := []string{
		"what was billed by the hour and ended in this run, 2 in all, has cost 1.66 EUR net; OVH's own bill of the project comes at the end of the month",
		"what is paid by the month and was given up in this run, 1 in all, has cost 159.98 EUR net until the last of it ends on 2026-12-21; OVH's own bills have any discount",
	}
	if got := l.lines("EUR"); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
