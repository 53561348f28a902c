package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"havre/infra/bench/overlay"
	"havre/infra/workspace"
)

func TestOverlaid(t *testing.T) {
	out := &strings.Builder{}
	b := &Bench{Workspace: workspace.Workspace{Root: t.TempDir()}, Out: out, Options: Options{Runs: 3}}
	b.overlaid(overlay.Report{
		Native: overlay.Way{MTU: 1410, Payload: 1358, Wire: 1480, Bulk: 723e6, Single: 84e6, Request: 961 * time.Microsecond},
		VXLAN:  overlay.Way{MTU: 1370, Payload: 1318, Wire: 1480, Bulk: 181e6, Single: 76e6, Request: 3107 * time.Microsecond},
	})
	golden(t, "overlaid.txt", out.String())
	if len(b.figures) != 12 || b.figures[6].Name != "overlay-stream" || b.figures[6].Value != 723e6 || b.figures[7].Name != "overlay-stream-vxlan" {
		t.Errorf("figures %v", b.figures)
	}
}

func TestWithoutRootTheOverlayIsNotMeasured(t *testing.T) {
	if got := overlayMissing(1000); got != "network namespaces need root; run make bench as root" {
		t.Errorf("got %q", got)
	}
	t.Setenv("PATH", t.TempDir())
	if got := overlayMissing(0); got != "there is no ip; apt-get install iproute2" {
		t.Errorf("got %q", got)
	}
}

func TestParts(t *testing.T) {
	names := func(o Options) (names []string) {
		for _, part := range (&Bench{Options: o}).parts() {
			names = append(names, part.name)
		}
		return names
	}
	if got := names(Options{}); !slices.Equal(got, Parts()) || len(got) != 6 {
		t.Errorf("all parts are %v", got)
	}
	if got := names(Options{Only: []string{"overlay", "ansible"}}); !slices.Equal(got, []string{"ansible", "overlay"}) {
		t.Errorf("two parts are %v", got)
	}
	if got := names(Options{Load: true, Only: []string{"growth"}}); !slices.Equal(got, []string{"load"}) {
		t.Errorf("the load's are %v", got)
	}
}
