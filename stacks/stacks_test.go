package stacks

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares text with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it, then run go test ./stacks -update\ngot:\n%s\nwanted:\n%s", path, got, want)
	}
}

func TestTables(t *testing.T) {
	for _, name := range Names() {
		golden(t, name+".table.txt", Table(described(t, name)))
	}
}

func TestTableOfABrokenDescription(t *testing.T) {
	s := described(t, "local")
	s.Mesh.CIDR = netip.Prefix{}
	s.PrivateNetwork = PrivateNetwork{}
	node(&s, "gra-worker-1").Retired = true
	node(&s, "gra-data-1").Offer.Monthly.Currency = "USD"
	golden(t, "broken.table.txt", Table(s))
}

// TestDifferences holds the whole list of how the clones differ from what they are of: what each difference is for, and each value it changes.
func TestDifferences(t *testing.T) {
	for _, name := range Names() {
		base, differences := Differences(name)
		if base == "" {
			continue
		}
		var b strings.Builder
		step := described(t, base)
		for _, d := range differences {
			fmt.Fprintf(&b, "%s: %s\n", d.Path, d.Why)
			before := Copy(step)
			d.Apply(&step)
			for _, change := range Diff(before, step) {
				fmt.Fprintf(&b, "    %s\n", change)
			}
		}
		if rest := Diff(step, described(t, name)); len(rest) != 0 {
			t.Errorf("stack %s differs from the result of its differences: %v", name, rest)
		}
		golden(t, name+".differences.txt", b.String())
	}
}

func TestByName(t *testing.T) {
	for _, name := range Names() {
		if s := described(t, name); s.Name != name {
			t.Errorf("stack %s calls itself %s", name, s.Name)
		}
	}
	_, err := ByName("production")
	want := "stack production: not described; wanted one of load-test, local, local-staging, prod, staging: select another stack, or describe it in stacks/stacks.go"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, wanted %s", err, want)
	}
}

// TestClonesAreApart: an operator's laptop is a peer of both meshes, and a server must not be plugged into the other's vRack.
func TestClonesAreApart(t *testing.T) {
	apart(t, described(t, "prod"), described(t, "staging"))
	apart(t, described(t, "prod"), described(t, "load-test"))
	apart(t, described(t, "staging"), described(t, "load-test"))
	apart(t, described(t, "local"), described(t, "local-staging"))
}

func apart(t *testing.T, base, clone Stack) {
	t.Helper()
	networks := func(s Stack) []netip.Prefix {
		return []netip.Prefix{s.Mesh.CIDR, s.Pods.CIDR, s.Services.CIDR, s.PrivateNetwork.CIDR}
	}
	for _, a := range networks(base) {
		for _, b := range networks(clone) {
			if a.Overlaps(b) {
				t.Errorf("%s of %s and %s of %s overlap", a, base.Name, b, clone.Name)
			}
		}
	}
	if vrack := base.PrivateNetwork.Vrack; vrack != "" && vrack == clone.PrivateNetwork.Vrack {
		t.Errorf("%s and %s share vRack %s", base.Name, clone.Name, vrack)
	}
	for _, n := range base.Nodes {
		if n.Adopt != "" && slices.ContainsFunc(clone.Nodes, func(other Node) bool { return other.Adopt == n.Adopt }) {
			t.Errorf("%s and %s share server %s", base.Name, clone.Name, n.Adopt)
		}
	}
	if inZone(base.DNS.Zone, clone.DNS.Zone) || inZone(clone.DNS.Zone, base.DNS.Zone) {
		t.Errorf("zones %s and %s are one in the other", base.DNS.Zone, clone.DNS.Zone)
	}
}

// TestClonesKeepIdentities: a node that production and a clone share has the same name, index, place, plan and roles in both.
func TestClonesKeepIdentities(t *testing.T) {
	prod := described(t, "prod")
	for _, name := range []string{"staging", "local", "local-staging", "load-test"} {
		s := described(t, name)
		for _, n := range s.Nodes {
			original := node(&prod, n.Name)
			if original == nil {
				t.Errorf("stack %s: node %s is not in production", name, n.Name)
				continue
			}
			if n.Kind == Instance { // another offer is what it is for
				n.Kind, n.Offer, n.Vrack = original.Kind, original.Offer, original.Vrack
			}
			if a, b := fmt.Sprintf("%+v", *original), fmt.Sprintf("%+v", n); a != b {
				t.Errorf("stack %s: node %s is %s, in production %s", name, n.Name, b, a)
			}
		}
	}
}

func TestMoney(t *testing.T) {
	for want, money := range map[string]Money{
		"149.99 EUR":              EUR(149, 99),
		"0.00 EUR":                EUR(0, 0),
		"-1.50 EUR":               EUR(-1, -50),
		"8.49 EUR":                EUR(8, 49),
		"0.00000001 EUR":          {Units: 1, Currency: "EUR"},
		"12.345 EUR":              {Units: 1_234_500_000, Currency: "EUR"},
		"91.99":                   {Units: 9_199_000_000},
		"-92233720368.54775808 X": {Units: -1 << 63, Currency: "X"},
	} {
		if got := money.String(); got != want {
			t.Errorf("got %s, wanted %s", got, want)
		}
	}
	// The catalogue's own figure for the worker's plan is 14999000000.
	if units := EUR(149, 99).Units; units != 14_999_000_000 {
		t.Errorf("149.99 EUR are %d units, wanted 14999000000", units)
	}
	if sum, err := EUR(1, 50).Add(EUR(2, 75)); err != nil || sum != EUR(4, 25) {
		t.Errorf("1.50 and 2.75 make %s, %v", sum, err)
	}
	for want, pair := range map[string][2]Money{
		"money: cannot add 1.00 USD to 1.00 EUR: the currencies differ":             {EUR(1, 0), {Units: 100_000_000, Currency: "USD"}},
		"money: 92233720368.54775807 EUR and 0.00000001 EUR are too large to add":   {{Units: 1<<63 - 1, Currency: "EUR"}, {Units: 1, Currency: "EUR"}},
		"money: -92233720368.54775808 EUR and -0.00000001 EUR are too large to add": {{Units: -1 << 63, Currency: "EUR"}, {Units: -1, Currency: "EUR"}},
	} {
		if _, err := pair[0].Add(pair[1]); err == nil || err.Error() != want {
			t.Errorf("got %v, wanted %s", err, want)
		}
	}
	if !EUR(2, 0).MoreThan(EUR(1, 99)) || EUR(2, 0).MoreThan(EUR(2, 0)) || EUR(2, 0).MoreThan(Money{Currency: "USD"}) {
		t.Error("MoreThan is wrong")
	}
}

func TestQuantities(t *testing.T) {
	for want, quantity := range map[string]fmt.Stringer{"2": CPU(2000), "250m": CPU(250), "1500m": CPU(1500), "0": CPU(0), "512Mi": MiB(512)} {
		if got := quantity.String(); got != want {
			t.Errorf("got %s, wanted %s", got, want)
		}
	}
}

func TestSchedules(t *testing.T) {
	for _, good := range []string{"0 5 * * 1-5", "*/15 * * * *", "0,30 8-18 1 1,7 0", "0-30/10 0 31 12 6", "05 05 * * *", "59 23 * * *"} {
		if fault := cronFault(good); fault != "" {
			t.Errorf("%q is refused: %s", good, fault)
		}
	}
	for _, bad := range []string{"", "* * * *", "* * * * * *", " 0 5 * * *", "0  5 * * *", "60 * * * *", "-1 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 7",
		"* * * * MON", "5/10 * * * *", "1-2-3 * * * *", "1,, * * * *", "*/ * * * *", "*/100 * * * *", "+5 * * * *", "30-10 * * * *", "0 5 * * 1-"} {
		if cronFault(bad) == "" {
			t.Errorf("%q is accepted", bad)
		}
	}
}
