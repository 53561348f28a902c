// Package capacity says how much of a stack's processors and memory its declared peak takes, with every site up and with one lost, and by when the next server
// must be ordered.
//
// What a reader would get wrong: a pod's CPU request is not what it uses. A renderer may use up to its limit, so requests are the stack's to choose and are
// compared with the line as they are; what grows with the load is processor time, which is measured, and the memory of the pods that serve it.
package capacity

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"havre/components/cluster/kubeadm"
	"havre/stacks"
)

// LinePercent of what is available is as much as may be asked for: the rest is for node agents, the edge, and what nobody foresaw.
const LinePercent = 80

// What each node keeps for the system and for Kubernetes itself.
const (
	ReservedCPU    stacks.CPU = kubeadm.ReservedCPU
	ReservedMemory stacks.MiB = kubeadm.ReservedMemory >> 20
)

// DefaultDelivery is OVH's promise for a dedicated server that is not in stock at once: 72 hours. An order in stock takes minutes.
const DefaultDelivery = 72 * time.Hour

// month is the mean length of one.
const month = 365.25 / 12 * 24 * float64(time.Hour)

// Args is what the figures are made of.
type Args struct {
	Plan stacks.Plan
	// Growth of the peak in a month: 0.04 for 4 %. Not above zero means that it does not grow.
	Growth float64
	// Basis is where the growth comes from.
	Basis Basis
	// Delivery is the promised time from an order to a server; DefaultDelivery when 0.
	Delivery time.Duration
	// Today is the day from which the peak grows.
	Today time.Time
}

// Figures are everything that is known.
type Figures struct {
	Stack string
	// PeakPerSecond is the declared peak; Pods are the replicas that it makes the autoscaler want, within the stack's bounds.
	PeakPerSecond, Pods int
	// Load is the processor time that the peak takes; Requested and RequestedMemory are what its pods ask for.
	Load            stacks.CPU
	Requested       stacks.CPU
	RequestedMemory stacks.MiB
	// Sites are those with workers, in the order of the stack.
	Sites []Site
	// Cases are every site up, then the loss of each site.
	Cases  []Case
	Growth float64
	Basis  Basis
	// Next is when to order; nil when the load does not grow.
	Next *Next
}

// Site is what a site's workers offer.
type Site struct {
	Name    string
	Workers int
	// CPU and Memory are what pods may ask for: the offers less what each node keeps.
	CPU    stacks.CPU
	Memory stacks.MiB
}

// Case is one state of the world.
type Case struct {
	// Lost is the site that is gone, "" for none.
	Lost string
	// CPU and Memory are what the workers elsewhere offer.
	CPU    stacks.CPU
	Memory stacks.MiB
	// CPUPercent and MemoryPercent are the pods' requests as a share of it, LoadPercent the processor time of the peak.
	CPUPercent, MemoryPercent, LoadPercent float64
}

// Holds says whether the case stays under the line.
func (c Case) Holds() bool {
	return c.CPUPercent <= LinePercent && c.MemoryPercent <= LinePercent && c.LoadPercent <= LinePercent
}

// Next is the next order.
type Next struct {
	// Full is the day on which the peak reaches the line with one site lost; By is Full less the delivery.
	Full, By time.Time
	// Lost is the site whose loss reaches the line first, Because is "processor time" or "memory".
	Lost, Because string
	// Months from today to Full; not above zero when the line is passed already.
	Months float64
	// Sites are where the next workers belong, one each: a worker helps only with the loss of another site than its own.
	Sites []string
}

// Late says whether the day to order by is over.
func (n Next) Late(today time.Time) bool { return n.By.Before(day(today)) }

// Of computes the figures. It fails when no site has a worker.
//
//	pods      = ⌈peak × time a picture ÷ (target × request)⌉, at least MinReplicas, at most MaxReplicas   (the autoscaler's rule)
//	load      = peak × time a picture
//	available = Σ over workers (offer − reserved)
//	share     = requested ÷ available, load ÷ available
//	months    = ln(line × available ÷ load) ÷ ln(1 + growth), the least over all losses of one site; the same with the pods' memory for the load
//	by        = today + months × 30.4375 days − delivery, whole days
func Of(args Args) (Figures, error) {
	if args.Delivery == 0 {
		args.Delivery = DefaultDelivery
	}
	stack := args.Plan.Stack
	render := stack.Render
	f := Figures{Stack: stack.Name, PeakPerSecond: render.PeakPerSecond, Growth: args.Growth, Basis: args.Basis}
	f.Load = stacks.CPU(int64(render.PeakPerSecond) * render.CPUPerRequest.Microseconds() / 1000)
	f.Pods = pods(render, f.Load)
	f.Requested, f.RequestedMemory = stacks.CPU(f.Pods)*render.CPURequest, stacks.MiB(f.Pods)*render.MemoryRequest
	for _, site := range stack.Sites {
		s := Site{Name: site.Name}
		for _, node := range args.Plan.Workers {
			if node.Site == site.Name {
				s.Workers++
				s.CPU += stacks.CPU(node.Offer.Cores*1000) - ReservedCPU
				s.Memory += stacks.MiB(node.Offer.MemoryGiB*1024) - ReservedMemory
			}
		}
		if s.Workers > 0 {
			f.Sites = append(f.Sites, s)
		}
	}
	if len(f.Sites) == 0 {
		return Figures{}, fmt.Errorf("capacity: stack %s has no worker; add one in stacks/", stack.Name)
	}
	lost := []string{""}
	if len(f.Sites) > 1 {
		for _, site := range f.Sites {
			lost = append(lost, site.Name)
		}
	}
	for _, name := range lost {
		f.Cases = append(f.Cases, f.without(name, stack.Runtime.SharedCores))
	}
	if args.Growth > 0 {
		f.Next = f.next(args)
	}
	return f, nil
}

// pods is the number of replicas at the peak.
func pods(render stacks.Render, load stacks.CPU) int {
	each := float64(render.CPURequest) * float64(render.CPUTargetPercent) / 100
	if each <= 0 {
		return render.MaxReplicas
	}
	return min(max(int(math.Ceil(float64(load)/each)), render.MinReplicas), render.MaxReplicas)
}

// without is the case in which a site is lost. Hosts that share their cores, as a sandbox's do, have no more than those.
func (f Figures) without(name string, shared int) Case {
	c := Case{Lost: name}
	for _, site := range f.Sites {
		if site.Name != name {
			c.CPU += site.CPU
			c.Memory += site.Memory
		}
	}
	if shared > 0 {
		c.CPU = min(c.CPU, stacks.CPU(shared*1000))
	}
	c.CPUPercent = percent(int(f.Requested), int(c.CPU))
	c.LoadPercent = percent(int(f.Load), int(c.CPU))
	c.MemoryPercent = percent(int(f.RequestedMemory), int(c.Memory))
	return c
}

func percent(part, whole int) float64 {
	if whole <= 0 {
		return math.Inf(1)
	}
	return 100 * float64(part) / float64(whole)
}

// worst are the cases that count: the losses, or the only case there is.
func (f Figures) worst() []Case {
	if len(f.Cases) > 1 {
		return f.Cases[1:]
	}
	return f.Cases
}

// next finds the first case to reach the line.
func (f Figures) next(args Args) *Next {
	n := &Next{Months: math.Inf(1)}
	consider := func(c Case, share float64, because string) {
		if months := Months(share, args.Growth); months < n.Months {
			n.Months, n.Lost, n.Because = months, c.Lost, because
		}
	}
	for _, c := range f.worst() {
		consider(c, c.LoadPercent, "processor time")
		consider(c, c.MemoryPercent, "memory")
	}
	if math.IsInf(n.Months, 0) {
		// No load at all, or nothing left when a site is lost.
		n.Months = math.Copysign(maxMonths, n.Months)
	}
	n.Months = min(n.Months, maxMonths)
	n.Full = day(args.Today).Add(time.Duration(max(n.Months, 0) * month))
	n.Full = day(n.Full)
	n.By = day(n.Full.Add(-args.Delivery))
	n.Sites = f.where(n)
	return n
}

// maxMonths is a hundred years: beyond it a date says nothing, and durations end soon after.
const maxMonths = 1200

// Months is how long a share of what is available, in percent and growing by growth a month, takes to reach the line: ln(line ÷ share) ÷ ln(1 + growth).
// It is not above zero when the share is there already, and infinite when it does not grow.
func Months(share, growth float64) float64 {
	if growth <= 0 || share <= 0 {
		return math.Inf(1)
	}
	return math.Log(LinePercent/share) / math.Log1p(growth)
}

// where says in which sites the next workers belong. Each loss that reaches the line together with the first (within a tenth of a month) needs one more worker in
// another site; the fewest are taken, and of equals those of the smallest sites.
func (f Figures) where(n *Next) []string {
	open := map[string]bool{}
	for _, c := range f.worst() {
		share := c.LoadPercent
		if n.Because == "memory" {
			share = c.MemoryPercent
		}
		if Months(share, f.Growth) <= n.Months+0.1 {
			open[c.Lost] = true
		}
	}
	candidates := slices.Clone(f.Sites)
	slices.SortStableFunc(candidates, func(a, b Site) int { return a.Workers - b.Workers })
	var out []string
	for len(open) > 0 {
		best, covers := "", 0
		for _, site := range candidates {
			helps := 0
			for lost := range open {
				if lost != site.Name {
					helps++
				}
			}
			if helps > covers {
				best, covers = site.Name, helps
			}
		}
		if best == "" {
			break
		}
		out = append(out, best)
		for lost := range open {
			if lost != best {
				delete(open, lost)
			}
		}
	}
	slices.Sort(out)
	return out
}

// day is the date alone, in UTC.
func day(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// periods are what growth may be given for, in months.
var periods = map[string]float64{"week": 7 / (365.25 / 12), "month": 1, "year": 12}

// ParseGrowth reads growth such as "4%/month", "1%/week" or "60%/year" and gives it for a month: (1 + g) to the power of the periods in a month, less 1.
func ParseGrowth(text string) (float64, error) {
	wrong := func() (float64, error) {
		return 0, fmt.Errorf("growth %q: wanted percent a week, month or year, such as 4%%/month", text)
	}
	number, period, found := strings.Cut(strings.ReplaceAll(text, " ", ""), "%")
	period = strings.TrimPrefix(period, "/")
	if period == "" {
		period = "month"
	}
	value, err := strconv.ParseFloat(number, 64)
	months, known := periods[period]
	if !found || err != nil || !known || math.IsNaN(value) || math.IsInf(value, 0) {
		return wrong()
	}
	if value <= -100 || value > 1000 {
		return 0, fmt.Errorf("growth %q: wanted more than -100 %% and at most 1000 %%", text)
	}
	return math.Pow(1+value/100, 1/months) - 1, nil
}
