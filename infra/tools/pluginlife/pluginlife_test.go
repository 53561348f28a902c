package pluginlife

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestExitsOnceTheParentIsGone(t *testing.T) {
	var parent atomic.Int64
	parent.Store(100)
	gone, exited := make(chan struct{}), make(chan struct{})
	stop := watch(func() int { return int(parent.Load()) }, time.Microsecond, func() { close(gone) }, time.Hour, func() { close(exited) })
	defer stop()
	select {
	case <-gone:
		t.Fatal("the parent lives, yet it was called gone")
	default:
	}
	parent.Store(1)
	<-gone
	<-exited
}

func TestExitsAfterTheGraceWhenWorkDoesNotEnd(t *testing.T) {
	var calls atomic.Int64
	exited := make(chan struct{})
	stop := watch(func() int { return int(calls.Add(1)) }, time.Microsecond, func() { select {} }, time.Microsecond, func() { close(exited) })
	defer stop()
	<-exited
}

func TestAStoppedWatchDoesNothing(t *testing.T) {
	var parent atomic.Int64
	stop := watch(func() int { return int(parent.Load()) }, time.Hour, func() { t.Error("called gone") }, 0, func() { t.Error("exited") })
	stop()
	stop()
	parent.Store(1)
}
