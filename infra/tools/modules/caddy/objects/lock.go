package objects

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// lockRecord is a lock as an object. It stays when the lock is released, as a bucket cannot remove an object on a condition everywhere; a holder who was thought dead could
// otherwise remove the lock of the next.
type lockRecord struct {
	// Holder is a token of one call of Lock; empty when nobody holds it.
	Holder string `json:"holder"`
	// Beat differs in every write, so that no two have one ETag.
	Beat string `json:"beat"`
	// Orders are the times at which the lock was taken to order a certificate, within the last hour.
	Orders []time.Time `json:"orders,omitempty"`
}

// leases are the locks that this process holds.
type leases struct {
	mu     sync.Mutex
	byName map[string]*lease
}

// lease is one held lock with the goroutine that renews it.
type lease struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	record lockRecord
	etag   string
	// attempts counts how often certmagic said that it is about to order under this lock.
	attempts int
}

// write renews the lock's object, changed or not.
func (l *lease) write(ctx context.Context, s *Storage, key string, change func(*lockRecord) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.record
	if change != nil {
		if err := change(&next); err != nil {
			return err
		}
	}
	next.Beat = token()
	etag, err := s.writeLock(ctx, key, next, l.etag)
	if err == nil {
		l.record, l.etag = next, etag
	}
	return err
}

func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

func (s *Storage) lockKey(name string) string {
	return s.key("locks/" + certmagic.StorageKeys.Safe(name) + ".json")
}

// orderLock begins the names of the locks under which certmagic orders and renews certificates (certmagic v0.25, config.go, certIssueLockOp).
const orderLock = "issue_cert_"

// Lock waits for the lock. A lock whose object does not change for the pace's stale time, by this node's clock alone, was left by a node that died. It refuses at once
// when all nodes together began too many orders for the name.
func (s *Storage) Lock(ctx context.Context, name string) error {
	if err := s.try(ctx); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	key, holder := s.lockKey(name), token()
	seen, since := "", time.Time{}
	for {
		record, etag, err := s.readLock(ctx, key)
		if err != nil {
			return fmt.Errorf("lock %s: %w", name, err)
		}
		now := s.pace.now()
		if etag != seen {
			seen, since = etag, now
		}
		if record.Holder == "" || now.Sub(since) >= s.pace.stale {
			if strings.HasPrefix(name, orderLock) {
				if record.Orders, err = s.order(name, record.Orders, now); err != nil {
					return err
				}
			}
			record.Holder, record.Beat = holder, token()
			condition := etag
			if etag == "" {
				condition = absent
			}
			taken, err := s.writeLock(ctx, key, record, condition)
			if err == nil {
				s.keep(ctx, name, key, record, taken)
				return nil
			}
			if !errors.Is(err, errCondition) {
				return fmt.Errorf("lock %s: %w", name, err)
			}
			// Another was faster: look again at once.
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", name, ctx.Err())
		case <-time.After(s.pace.poll):
		}
	}
}

// order adds an order to those of the last hour, or refuses it.
func (s *Storage) order(name string, before []time.Time, now time.Time) ([]time.Time, error) {
	var recent []time.Time
	for _, t := range before {
		if now.Sub(t) < time.Hour {
			recent = append(recent, t)
		}
	}
	if len(recent) >= s.OrdersAnHour {
		return nil, fmt.Errorf("%s: %d certificates were ordered within an hour; the next may be ordered at %s",
			strings.TrimPrefix(name, orderLock), len(recent), recent[0].Add(time.Hour).UTC().Format(time.RFC3339))
	}
	return append(recent, now.UTC()), nil
}

// readLock reads a lock; the ETag is empty when there was none ever. What cannot be read as a lock counts as a free one.
func (s *Storage) readLock(ctx context.Context, key string) (lockRecord, string, error) {
	text, etag, err := s.get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return lockRecord{}, "", nil
	}
	if err != nil {
		return lockRecord{}, "", err
	}
	var record lockRecord
	if json.Unmarshal(text, &record) != nil {
		record = lockRecord{}
	}
	return record, etag, nil
}

// writeLock writes a lock on a condition. A write whose answer was lost looks like someone else's, so the object is read before it counts as that.
func (s *Storage) writeLock(ctx context.Context, key string, record lockRecord, condition string) (string, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return "", err
	}
	etag, err := s.put(ctx, key, text, condition)
	if !errors.Is(err, errCondition) {
		return etag, err
	}
	if there, etag, err := s.readLock(ctx, key); err == nil && there.Beat == record.Beat {
		return etag, nil
	}
	return "", errCondition
}

// keep renews a lock until it is released or lost.
func (s *Storage) keep(ctx context.Context, name, key string, record lockRecord, etag string) {
	// The lock outlives the call that took it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &lease{record: record, etag: etag, cancel: cancel, done: make(chan struct{})}
	s.held.mu.Lock()
	if s.held.byName == nil {
		s.held.byName = map[string]*lease{}
	}
	s.held.byName[name] = l
	s.held.mu.Unlock()
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(s.pace.beat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			// Not the lease's context: a write that was cut off could have happened or not.
			write, stop := context.WithTimeout(context.WithoutCancel(ctx), s.pace.beat)
			err := l.write(write, s, key, nil)
			stop()
			if errors.Is(err, errCondition) {
				return // lost: Unlock will tell
			}
		}
	}()
}

// RenewLockLease is how certmagic says that it begins another attempt under a lock that it holds: the lock renews itself, but each attempt is an order, and an order
// too many is refused. The first attempt was counted when the lock was taken.
func (s *Storage) RenewLockLease(ctx context.Context, name string, _ time.Duration) error {
	s.held.mu.Lock()
	l := s.held.byName[name]
	s.held.mu.Unlock()
	if l == nil {
		return fmt.Errorf("renew %s: it is not held here", name)
	}
	l.mu.Lock()
	l.attempts++
	first := l.attempts == 1
	l.mu.Unlock()
	if first || !strings.HasPrefix(name, orderLock) {
		return nil
	}
	return l.write(ctx, s, s.lockKey(name), func(record *lockRecord) (err error) {
		record.Orders, err = s.order(name, record.Orders, s.pace.now())
		return err
	})
}

// Unlock releases the lock. A lock that was lost meanwhile is an error: the work under it may have been done twice.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	s.held.mu.Lock()
	l := s.held.byName[name]
	delete(s.held.byName, name)
	s.held.mu.Unlock()
	if l == nil {
		return fmt.Errorf("unlock %s: it is not held here", name)
	}
	l.cancel()
	<-l.done
	if err := l.write(ctx, s, s.lockKey(name), func(record *lockRecord) error { record.Holder = ""; return nil }); err != nil {
		return fmt.Errorf("unlock %s: %w", name, err)
	}
	return nil
}
