package ovhsim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// deliver creates the services of an order. When no address is free the order stays in delivering and tries again.
func (s *Simulator) deliver(o *order, now time.Time) {
	units := map[int]*service{}
	for _, d := range o.Details {
		if d.Option || units[d.Unit] != nil {
			continue
		}
		v, err := s.newService(o, d, now)
		if err != nil {
			for _, made := range units {
				delete(s.st.Services, made.ID)
			}
			s.log.Error("order cannot be delivered", "order", o.ID, "error", err)
			o.Next = now.Add(time.Second)
			return
		}
		units[d.Unit] = v
	}
	for _, d := range o.Details {
		v := units[d.Unit]
		if v == nil {
			continue
		}
		if d.Option {
			if d.Type == "DURATION" {
				v.Options = append(v.Options, d.Plan.PlanCode)
			}
		} else {
			d.Domain, d.Service = v.Name, v.ID
		}
		if d.Type == "DURATION" {
			v.Monthly += d.Price
		}
	}
	o.move("delivered", now)
}

func (s *Simulator) newService(o *order, d *detail, now time.Time) (*service, error) {
	centre := strings.ToLower(d.Plan.configured("dedicated_datacenter") + d.Plan.configured("vps_datacenter"))
	if o.DeliverIn != "" {
		centre = o.DeliverIn
	}
	period := 1
	expires := now.AddDate(0, 1, 0)
	if d.Plan.Duration == "P12M" {
		period, expires = 12, now.AddDate(1, 0, 0)
	}
	v := &service{
		Plan: d.Plan.PlanCode, Datacenter: centre, Order: o.ID, Created: now, Expires: expires, Health: "ok", BootID: bootHarddisk,
		Tags: map[string]string{}, Renew: renew{Automatic: true, Period: &period}, Settings: map[string]any{}, Reverse: map[string]string{},
	}
	if p := planOf(&d.Plan); p != nil {
		v.PlanName, v.Product = p.InvoiceName, p.Product
	}
	number := s.st.id()
	switch d.Plan.Product {
	case "vrack":
		v.Kind, v.Name = kindVrack, fmt.Sprintf("pn-%d", 1_000_000+number)
	case "vps":
		v.Kind = KindVPS
		sum := sha256.Sum256(fmt.Appendf(nil, "vps %d", number))
		v.Name = fmt.Sprintf("vps-%x.vps.ovh.net", sum[:4])
		v.OS = d.Plan.configured("vps_os")
	default:
		v.Kind, v.OS = KindDedicated, "none_64"
		v.Name = fmt.Sprintf("ns%d", 3_100_000+number)
		v.Interface = &vni{UUID: s.st.uuid("vni"), Public: s.st.uuid("vni"), Name: "eth1", Mode: "vrack"}
	}
	if v.Kind != kindVrack {
		address, err := s.freeAddress()
		if err != nil {
			return nil, err
		}
		v.Address = address
		if v.Kind == KindDedicated {
			a := address.As4()
			v.Name += fmt.Sprintf(".ip-%d-%d-%d.eu", a[0], a[1], a[2])
			v.Reverse[address.String()] = v.Name + "."
		}
	}
	v.DisplayName = v.Name
	v.ID, v.UUID = s.st.id(), s.st.uuid("service")
	s.st.Services[v.ID] = v
	if v.Kind == KindVPS {
		s.newTask(v, "deliverVm", "Delivering the VPS")
	}
	s.log.Info("delivered", "order", o.ID, "service", v.Name, "address", v.Address)
	return v, nil
}

// freeAddress is the lowest address no living service holds, and no host that still has to go.
func (s *Simulator) freeAddress() (netip.Addr, error) {
	taken := map[netip.Addr]bool{}
	for _, v := range s.st.Services {
		if _, removing := s.st.Removing[v.Name]; v.Ended.IsZero() || removing {
			taken[v.Address] = true
		}
	}
	first := s.options.FirstAddress
	for a := first; a.IsValid(); a = a.Next() {
		if last := a.As4()[3]; last == 0 || last == 255 || taken[a] {
			continue
		}
		if a.As4()[0] != first.As4()[0] {
			break
		}
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("no free address from %s on", first)
}

// expire is a service's day of reckoning: it is renewed and paid for, it ends, or it waits for somebody to pay.
func (s *Simulator) expire(v *service) {
	switch {
	case v.Renew.DeleteAtExpiration:
		s.end(v)
	case !v.Renew.Automatic:
		v.Suspended = true // until somebody pays by hand
	default:
		s.prolong(v)
	}
}

// prolong pays for another period.
func (s *Simulator) prolong(v *service) {
	months := 1
	if v.Renew.Period != nil && *v.Renew.Period > 0 {
		months = *v.Renew.Period
	}
	noTax := v.Monthly.cents()
	s.st.Ledger = append(s.st.Ledger, Entry{
		At: v.Expires, Order: v.Order, From: "customer", To: "renewal of " + v.Name, Amount: int64(noTax + noTax*taxRate/100), NoTax: int64(noTax),
	})
	v.Expires = v.Expires.AddDate(0, months, 0)
}

// end takes a service away: its host stops, its address is free once the host is gone.
func (s *Simulator) end(v *service) {
	v.Ended = s.now()
	for _, t := range s.st.Tasks {
		if t.Service == v.ID && t.open() {
			t.Status, t.Updated, t.Comment = "error", v.Ended, "The service ended"
			if stop := s.installs[t.ID]; stop != nil {
				stop()
			}
		}
	}
	if v.Interface != nil {
		v.Interface.Vrack = ""
	}
	s.log.Info("ended", "service", v.Name)
	if v.Kind != kindVrack {
		s.st.Removing[v.Name] = struct{}{}
		s.remove(v.Name)
	}
}

// host serialises what is done to one host. The caller must not hold the simulator's lock while it waits for it.
func (s *Simulator) host(name string) *sync.Mutex {
	m := s.hosts[name]
	if m == nil {
		m = &sync.Mutex{}
		s.hosts[name] = m
	}
	return m
}

// background runs work on a host without the simulator's lock, and then with it.
func (s *Simulator) background(ctx context.Context, name string, work func(context.Context) error, done func(error)) {
	if s.closed {
		return
	}
	m := s.host(name)
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		m.Lock()
		err := work(ctx)
		m.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		done(err)
		s.signal()
	}()
}

// remove stops the host of an ended service, and tries again until it is gone.
func (s *Simulator) remove(name string) {
	s.background(s.ctx, name, func(ctx context.Context) error {
		for {
			err := s.machines.Remove(ctx, name)
			if err == nil || ctx.Err() != nil {
				return err
			}
			s.log.Error("host not removed, trying again", "service", name, "error", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}, func(err error) {
		if err == nil {
			delete(s.st.Removing, name)
			s.keep()
		}
	})
}

// resume takes up what a former process left undone.
func (s *Simulator) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range sortedKeys(s.st.Removing) {
		s.remove(name)
	}
	for _, id := range sortedKeys(s.st.Tasks) {
		if t := s.st.Tasks[id]; t.Status == "doing" && t.Next.IsZero() {
			s.startWork(t)
		}
	}
	s.resumeDatabases()
}
