// Package overlay holds two ways of pods' packets over the mesh against each other: routed natively, as the platform does it, and in a VXLAN, as overlay networks do. It
// makes two hosts with a pod each out of network namespaces of its own, and a mesh between them. The one thing a reader would get wrong: the mesh here is
// WireGuard in userspace, a process that is bound by the processor. Which way is dearer a packet can be seen; how much a kernel's WireGuard would carry can not.
package overlay

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Options say what is measured.
type Options struct {
	// WireGuardGo is the path of the userspace WireGuard.
	WireGuardGo string
	// MeshMTU is the mesh interface's MTU, PodsMTU that of pods that are routed natively, both in bytes.
	MeshMTU, PodsMTU int
	// Runs is how often each way is measured; the median counts. Both take turns.
	Runs int
	// Send is how long a run sends as fast as it can.
	Send time.Duration
	// Requests is how many requests a run makes, one after the other.
	Requests int
	// Progress is told what is being measured.
	Progress func(string)
}

// Way is one of the two ways.
type Way struct {
	// MTU is that of pods. Payload is what of a full TCP packet is the application's, Wire what the packet takes on the hosts' network. In bytes.
	MTU, Payload, Wire int
	// Bulk is how much a pod sends another with the kernel's offloads as they come, Single with packets that are cut before they leave the pod. In bit a second.
	Bulk, Single float64
	// Request is the time from a request of a few bytes to the last byte of an answer of AnswerBytes.
	Request time.Duration
}

// AnswerBytes is the size of an answer: a picture's.
const AnswerBytes = 64 << 10

// Report is what was measured.
type Report struct{ Native, VXLAN Way }

// Bytes of headers. A TCP packet of Linux carries timestamps.
const (
	ethernet, ipv4, udp, vxlan, tcp, timestamps = 14, 20, 8, 8, 20, 12
	// wireGuard is a data packet's header and its tag.
	wireGuard = 16 + 16
	// Overhead is what a VXLAN adds to a packet.
	Overhead = ipv4 + udp + vxlan + ethernet
)

// sizes are those of a full packet of pods, of which the mesh sees extra bytes more.
func sizes(pods, mesh, extra int) Way {
	// WireGuard fills up to a multiple of 16 bytes, and not beyond the interface's MTU.
	padded := min((pods+extra+15)/16*16, mesh)
	return Way{MTU: pods, Payload: pods - ipv4 - tcp - timestamps, Wire: padded + wireGuard + udp + ipv4}
}

// Run measures. Root is needed, and /dev/net/tun.
func Run(ctx context.Context, o Options) (report Report, err error) {
	report = Report{Native: sizes(o.PodsMTU, o.MeshMTU, 0), VXLAN: sizes(o.MeshMTU-Overhead, o.MeshMTU, Overhead)}
	l, err := open(ctx, o, report.VXLAN.MTU)
	if err != nil {
		return report, fmt.Errorf("overlay: %w", err)
	}
	defer func() {
		if closed := l.close(context.WithoutCancel(ctx)); err == nil && closed != nil {
			err = fmt.Errorf("overlay: %w", closed)
		}
	}()
	ways := []struct {
		path                  path
		into                  *Way
		bulk, single, request []float64
	}{{path: native, into: &report.Native}, {path: tunnelled, into: &report.VXLAN}}
	for run := range o.Runs {
		for _, whole := range []bool{true, false} {
			if err := l.offload(ctx, whole); err != nil {
				return report, fmt.Errorf("overlay: %w", err)
			}
			for i := range ways {
				way := &ways[i]
				o.Progress(fmt.Sprintf("pods over the mesh, %s: run %d of %d", way.path.name, run+1, o.Runs))
				rate, err := l.send(ctx, way.path, o.Send)
				if err != nil {
					return report, fmt.Errorf("overlay: %s: %w", way.path.name, err)
				}
				if !whole {
					way.single = append(way.single, rate)
					continue
				}
				way.bulk = append(way.bulk, rate)
				took, err := l.ask(ctx, way.path, o.Requests)
				if err != nil {
					return report, fmt.Errorf("overlay: %s: %w", way.path.name, err)
				}
				way.request = append(way.request, took.Seconds())
			}
		}
	}
	for _, way := range ways {
		way.into.Bulk, way.into.Single = middle(way.bulk), middle(way.single)
		way.into.Request = time.Duration(middle(way.request) * float64(time.Second))
	}
	return report, nil
}

// middle is the upper median; of nothing it is 0.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
