package stacks

import (
	"strings"
	"testing"
)

// borders are descriptions at the edge of a rule: the least, or the most, that is taken, and the next step, that is refused in these words.
var borders = []struct {
	name   string
	change func(s *Stack, beyond int)
	want   string
}{
	{"budget a month", func(s *Stack, beyond int) { s.Budget.Monthly = EUR(1521, 38-int64(beyond)) },
		"budget: nodes and database cost 1521.38 EUR a month, and 1521.37 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go"},
	{"budget once", func(s *Stack, beyond int) { s.Budget.Setup = EUR(1175, 91-int64(beyond)) },
		"budget: ordering the nodes costs 1175.91 EUR once, and 1175.90 EUR are allowed; remove nodes or raise Budget.Setup in stacks/production.go"},
	{"capacity with a site lost", func(s *Stack, beyond int) {
		s.Render.PeakPerSecond, s.Render.CPULimit = 3600+beyond, 8000
		s.Render.MaxReplicas = 30
	}, "render: losing site rbx leaves 28.8 usable cores, and the peak of 3601 requests a second at 8ms each takes 28.808; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go"},
	{"least replicas", func(s *Stack, beyond int) {
		s.Render.MinReplicas, s.Render.MaxUnavailable, s.Render.PeakPerSecond = 2-beyond, 1, 100
	}, "render: 1 replicas at least; wanted 2 or more, so that one may be moved: raise Render.MinReplicas in stacks/production.go"},
	{"replicas that may be unavailable", func(s *Stack, beyond int) { s.Render.MaxUnavailable = s.Render.MinReplicas - 1 + beyond },
		"render: 6 replicas may be unavailable, wanted 1 to 5, one less than the least replicas: with 0 a drain hangs; change Render.MaxUnavailable in stacks/production.go"},
	{"quorum with a site lost", func(s *Stack, beyond int) {
		if beyond > 0 {
			node(s, "sbg-control-1").Site = "gra"
		}
	}, "stack prod: losing site gra leaves 1 of 3 control-plane nodes, and the quorum is 2; spread them over at least three sites in stacks/production.go"},
}

func TestBorders(t *testing.T) {
	for _, c := range borders {
		t.Run(c.name, func(t *testing.T) {
			just := described(t, "prod")
			c.change(&just, 0)
			if err := just.Validate(); err != nil {
				t.Errorf("refused at the border: %v", err)
			}
			beyond := described(t, "prod")
			c.change(&beyond, 1)
			if err := beyond.Validate(); err == nil || !strings.Contains("\n"+err.Error()+"\n", "\n"+c.want+"\n") {
				t.Errorf("beyond the border:\n got %v\nwant %s", err, c.want)
			}
		})
	}
}
