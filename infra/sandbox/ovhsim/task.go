package ovhsim

import (
	"context"
	"fmt"
	"time"
)

// zeroTime is no moment: nothing is planned.
var zeroTime time.Time

// detach stands for no vRack in a task that pulls the private interface.
const detach = "-"

// The functions that group a server's interfaces and part them again.
const (
	olaGroup   = "INFRA_ONE_NETWORK_ONEAPI_VirtualNetworkInterface_group"
	olaUngroup = "INFRA_ONE_NETWORK_ONEAPI_VirtualNetworkInterface_ungroup"
)

// newTask plans work on a service. It starts after Delays.Task.
func (s *Simulator) newTask(v *service, function, comment string) *task {
	now := s.now()
	t := &task{
		ID: s.st.id(), Service: v.ID, Kind: v.Kind, Function: function, Status: "init", Comment: comment, Started: now, Updated: now,
		Next: now.Add(s.delays.Task), Target: v.Name,
	}
	s.st.Tasks[t.ID] = t
	return t
}

// busy finds an open task of a service, of any function when none is named.
func (s *Simulator) busy(v *service, function string) *task {
	for _, id := range sortedKeys(s.st.Tasks) {
		t := s.st.Tasks[id]
		if t.Service == v.ID && t.open() && t.Kind == v.Kind && (function == "" || t.Function == function) {
			return t
		}
	}
	return nil
}

// stepTask starts a task, or ends one that has no host to wait for.
func (s *Simulator) stepTask(t *task) {
	now := s.now()
	t.Updated = now
	if t.Status == "doing" {
		s.finish(t, nil)
		return
	}
	t.Status = "doing"
	if t.Machine == nil && t.Attach == "" {
		t.Next = now.Add(s.delays.Task)
		return
	}
	t.Next = zeroTime
	s.startWork(t)
}

// startWork lets the host do what a task asks.
func (s *Simulator) startWork(t *task) {
	v := s.st.Services[t.Service]
	if v == nil || !v.Ended.IsZero() {
		s.finish(t, fmt.Errorf("the service ended"))
		return
	}
	if t.Machine == nil {
		if v.Installed == nil {
			s.finish(t, nil)
			return
		}
		s.background(s.ctx, v.Name, func(ctx context.Context) error {
			return s.machines.Attach(ctx, v.Name, t.Attach != detach)
		}, s.finisher(t))
		return
	}
	t.Machine.Vrack = v.Interface != nil && v.Interface.Vrack != ""
	m := *t.Machine
	ctx, stop := context.WithCancel(s.ctx)
	s.installs[t.ID] = stop
	s.log.Info("installing", "service", v.Name, "os", m.OS, "address", m.Address)
	s.background(ctx, v.Name, func(ctx context.Context) error { return s.machines.Install(ctx, m) }, func(err error) {
		stop()
		delete(s.installs, t.ID)
		s.finisher(t)(err)
	})
}

// finisher ends a task with what its host said. Work that stopped with the simulator stays open, and begins again with the next one.
func (s *Simulator) finisher(t *task) func(error) {
	return func(err error) {
		if err != nil && s.ctx.Err() != nil || !t.open() {
			return
		}
		s.finish(t, err)
		s.keep()
	}
}

func (s *Simulator) finish(t *task, err error) {
	now := s.now()
	v := s.st.Services[t.Service]
	t.Updated, t.Next, t.Status = now, zeroTime, "done"
	if err != nil {
		t.Status, t.Comment = "error", err.Error()
		s.log.Error("task failed", "service", t.Target, "function", t.Function, "error", err)
	}
	if v == nil {
		return
	}
	switch {
	case t.Machine != nil && err == nil:
		v.Installed, v.OS = t.Machine, t.Machine.OS
		s.replug(v)
	case t.Machine != nil:
		v.Installed = nil // the disk was wiped before it went wrong
	case t.Attach != "" && v.Interface != nil && err == nil:
		v.Interface.Vrack = t.Attach
		if t.Attach == detach {
			v.Interface.Vrack = ""
		}
		if v.Installed != nil {
			v.Installed.Vrack = v.Interface.Vrack != ""
		}
	case t.Function == olaGroup && err == nil:
		v.Interface.Aggregate = true
	case t.Function == "rebootVm" && err == nil:
		v.Settings[booted] = v.Settings["netbootMode"]
	case t.Function == olaUngroup && err == nil:
		v.Interface.Aggregate = false
	}
	if t.Kind == kindVrack && err == nil {
		delete(s.st.Tasks, t.ID) // OVH forgets a finished vRack task: 404 means done
	}
}

// replug makes a fresh host's private interface agree with the vRack, which may have changed while it was installed.
func (s *Simulator) replug(v *service) {
	want := v.Interface != nil && v.Interface.Vrack != ""
	if v.Installed.Vrack == want {
		return
	}
	s.background(s.ctx, v.Name, func(ctx context.Context) error { return s.machines.Attach(ctx, v.Name, want) }, func(err error) {
		if err != nil {
			s.log.Error("private interface", "service", v.Name, "error", err)
			return
		}
		if v.Installed != nil {
			v.Installed.Vrack = want
		}
		s.keep()
	})
}
