package stacks

import "time"

// Headroom is how the render service meets a burst: what carries it at once, and the room that waits for the rest. It follows from the declared peak and the
// measured cost of a picture; nothing in it is chosen.
type Headroom struct {
	// AtPeak is the number of replicas that the declared peak takes when each uses what it requests.
	AtPeak int
	// Pods is the number of placeholders: replicas' room that is held beyond those which always run.
	Pods int
	// Standing is the processor time that the replicas which always run may take at their limits. It carries the peak while more come, so that no reader waits for
	// a pod to start.
	Standing CPU
}

// Headroom sizes the placeholders: the peak's processor time, peak × cost, divided by a replica's request and rounded up, less the replicas that always run. It
// is never more than the autoscaler can use, and never negative. The node has idle cores for the replicas' limits because placeholders request and do nothing.
func (r Render) Headroom() Headroom {
	atPeak := ceil(int64(r.PeakPerSecond)*int64(r.CPUPerRequest), int64(r.CPURequest)*int64(time.Millisecond))
	return Headroom{
		AtPeak:   int(atPeak),
		Pods:     max(min(int(atPeak), r.MaxReplicas)-r.MinReplicas, 0),
		Standing: CPU(r.MinReplicas) * r.CPULimit,
	}
}

// ceil divides, rounding up; nothing divided by nothing is nothing.
func ceil(a, b int64) int64 {
	if b <= 0 {
		return 0
	}
	return (a + b - 1) / b
}
