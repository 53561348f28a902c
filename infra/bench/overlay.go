package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"havre/infra/bench/overlay"
	"havre/infra/sandbox/bringup"
	"havre/stacks"
)

// overlay holds pods that are routed over the mesh against pods in a VXLAN over it.
func (b *Bench) overlay(ctx context.Context) error {
	if missing := overlayMissing(os.Geteuid()); missing != "" {
		fmt.Fprintf(b.Out, "\npods routed over the mesh, and in a VXLAN over it: not measured: %s\n", missing)
		return nil
	}
	tools, err := bringup.BuildTools(ctx, b.Workspace, []string{"wireguard-go"}, b.Progress)
	if err != nil {
		return err
	}
	stack := stacks.Production()
	report, err := overlay.Run(ctx, overlay.Options{
		WireGuardGo: tools["wireguard-go"], MeshMTU: stack.Mesh.MTU, PodsMTU: stack.Pods.MTU,
		Runs: b.Options.Runs, Send: 2 * time.Second, Requests: 200, Progress: b.Progress,
	})
	if err != nil {
		return err
	}
	b.overlaid(report)
	return nil
}

// overlayMissing says what keeps this machine from measuring it, in a line; "" where nothing does.
func overlayMissing(user int) string {
	if user != 0 {
		return "network namespaces need root; run make bench as root"
	}
	for _, need := range []struct{ program, from string }{{"ip", "iproute2"}, {"wg", "wireguard-tools"}} {
		if _, err := exec.LookPath(need.program); err != nil {
			return fmt.Sprintf("there is no %s; apt-get install %s", need.program, need.from)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return "this machine has no /dev/net/tun, which WireGuard in userspace needs"
	}
	return ""
}

// overlaid prints the report.
func (b *Bench) overlaid(r overlay.Report) {
	t := newTable(fmt.Sprintf("pods routed over the mesh, as the platform does it, and in a VXLAN over it; userspace WireGuard, median of %d, in turns", b.Options.Runs),
		"", "routed", "VXLAN", "ratio")
	row := func(name, figure, unit string, value func(overlay.Way) float64, cell func(float64) string) {
		routed, tunnelled := value(r.Native), value(r.VXLAN)
		t.row(name, cell(routed), cell(tunnelled), ratio(tunnelled, routed))
		b.figure("overlay-"+figure, routed, unit, "overlay-"+figure+"-vxlan")
		b.figure("overlay-"+figure+"-vxlan", tunnelled, unit, "")
	}
	count := func(v float64) string { return strconv.Itoa(int(v)) }
	megabits := func(v float64) string { return strconv.Itoa(int(v / 1e6)) }
	row("pods' MTU, bytes", "mtu", "byte", func(w overlay.Way) float64 { return float64(w.MTU) }, count)
	row("of a full packet the application's, bytes", "payload", "byte", func(w overlay.Way) float64 { return float64(w.Payload) }, count)
	row("of a full packet on the hosts' network, bytes", "wire", "byte", func(w overlay.Way) float64 { return float64(w.Wire) }, count)
	row("one TCP stream, Mbit/s", "stream", "bit/s", func(w overlay.Way) float64 { return w.Bulk }, megabits)
	row("the same, packets cut before they leave the pod, Mbit/s", "stream-cut", "bit/s", func(w overlay.Way) float64 { return w.Single }, megabits)
	row(fmt.Sprintf("an answer of %d kB, p50 ms", overlay.AnswerBytes>>10), "answer", "s", func(w overlay.Way) float64 { return w.Request.Seconds() },
		func(v float64) string { return seconds(v * 1000) })
	t.print(b.Out)
	fmt.Fprint(b.Out, `  the bytes hold everywhere. The rest is of a WireGuard that is a process and bound by the processor: it can say which way is dearer for the same data, not how much
  a kernel's would carry, nor by what factor. Routed packets reach it in one piece of up to 64 kB, a VXLAN's are cut before; the row with cut packets is without that
`)
}
