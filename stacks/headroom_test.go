package stacks

import (
	"testing"
	"time"
)

func TestHeadroom(t *testing.T) {
	for _, test := range []struct {
		name   string
		render Render
		want   Headroom
	}{
		{"by hand: 3000 × 8 ms are 24 cores, at 2 a replica 12; 6 run already",
			Render{PeakPerSecond: 3000, CPUPerRequest: 8 * time.Millisecond, CPURequest: 2000, CPULimit: 4000, MinReplicas: 6, MaxReplicas: 14}, Headroom{AtPeak: 12, Pods: 6, Standing: 24000}},
		{"by hand: 1000 × 9.1 ms are 9.1 cores, at 2 a replica 4.55, so 5; 2 run already",
			Render{PeakPerSecond: 1000, CPUPerRequest: 9100 * time.Microsecond, CPURequest: 2000, CPULimit: 4000, MinReplicas: 2, MaxReplicas: 8}, Headroom{AtPeak: 5, Pods: 3, Standing: 8000}},
		{"exactly on the border: 250 × 8 ms are 2 cores, one replica",
			Render{PeakPerSecond: 250, CPUPerRequest: 8 * time.Millisecond, CPURequest: 2000, CPULimit: 2000, MinReplicas: 2, MaxReplicas: 4}, Headroom{AtPeak: 1, Pods: 0, Standing: 4000}},
		{"one request more",
			Render{PeakPerSecond: 751, CPUPerRequest: 8 * time.Millisecond, CPURequest: 2000, CPULimit: 2000, MinReplicas: 2, MaxReplicas: 4}, Headroom{AtPeak: 4, Pods: 2, Standing: 4000}},
		{"no more than the autoscaler can use",
			Render{PeakPerSecond: 3000, CPUPerRequest: 8 * time.Millisecond, CPURequest: 2000, CPULimit: 4000, MinReplicas: 6, MaxReplicas: 9}, Headroom{AtPeak: 12, Pods: 3, Standing: 24000}},
		{"nothing described", Render{}, Headroom{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.render.Headroom(); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}
