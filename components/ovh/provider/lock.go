package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"crypto/sha256"
	"encoding/hex"

	"havre/components/ovh/order"
)

// lock makes checkouts of one account happen one after another on this machine, those of a plugin that outlived its killed pulumi included. The kernel
// drops the lock with the process, so a crash never leaves it behind.
func (rt *runtime) lock(ctx context.Context, account string) (func(), error) {
	if rt.options.Lock != nil {
		return rt.options.Lock(ctx, account)
	}
	if err := os.MkdirAll(rt.options.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("lock of %s: %w; set OVHMETAL_CACHE to a folder that can be written", account, err)
	}
	path := filepath.Join(rt.options.Cache, strings.Map(safe, account)+".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of %s: %w; set OVHMETAL_CACHE to a folder that can be written", account, err)
	}
	told := false
	deadline := time.Now().Add(10 * time.Minute)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("lock %s has been held for 10 minutes by another plugin process; end that process and run again", path)
		}
		if !told {
			rt.status(ctx, "another order of this account is being placed, waiting for it")
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(min(rt.options.Poll, 20*time.Millisecond)):
		}
	}
}

func safe(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
		return r
	}
	return '_'
}

// promise is the price that a preview showed for an offer.
type promise struct {
	Offer string      `json:"offer"`
	First order.Money `json:"first"`
}

func (rt *runtime) promisePath(urn string) string {
	sum := sha256.Sum256([]byte(urn))
	return filepath.Join(rt.options.Cache, "promises", hex.EncodeToString(sum[:16])+".json")
}

// remember keeps what a preview showed, because the run that follows it is another process.
func (rt *runtime) remember(urn, offer string, first order.Money) error {
	path := rt.promisePath(urn)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(promise{offer, first})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// promised is what the last preview showed for this offer; nil when it was not previewed on this machine.
func (rt *runtime) promised(urn, offer string) *order.Money {
	text, err := os.ReadFile(rt.promisePath(urn))
	if err != nil {
		return nil
	}
	var seen promise
	if json.Unmarshal(text, &seen) != nil || seen.Offer != offer {
		return nil
	}
	return &seen.First
}
