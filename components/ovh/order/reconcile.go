package order

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mark is the name under which an intent is written into the account before anything is bought: "havre:<project>/<stack>/<name>:<nonce>". The nonce comes
// from the URN, so a run on a lost state writes and finds the same mark.
func Mark(project, stack, name, urn string) string {
	sum := sha256.Sum256([]byte(urn))
	return fmt.Sprintf("havre:%s/%s/%s:%s", project, stack, name, hex.EncodeToString(sum[:4]))
}

// ClaimMark is the description of the empty cart that says whose order id is.
func ClaimMark(mark string, id int64) string { return mark + "#" + strconv.FormatInt(id, 10) }

// ParseClaim reads a claim back. Descriptions of other people's carts are not claims.
func ParseClaim(description string) (mark string, id int64, ok bool) {
	if !strings.HasPrefix(description, "havre:") {
		return "", 0, false
	}
	i := strings.LastIndexByte(description, '#')
	if i < 0 {
		return "", 0, false
	}
	id, err := strconv.ParseInt(description[i+1:], 10, 64)
	return description[:i], id, err == nil && id > 0
}

// Candidate is an order of the account as far as reconciliation looks at it.
type Candidate struct {
	OrderID     int64
	PlanCode    string
	Datacenter  string
	Options     []string // addon plan codes, any order
	Date        time.Time
	Status      string // OVH's order status
	ClaimedBy   string // mark of its claim or of its service's tag; empty: nobody's
	ServiceName string // once delivered
	Ended       bool   // its service is gone, or ends at expiry by its owner's will
}

// Wish is what a resource may have bought.
type Wish struct {
	Mark       string
	PlanCode   string
	Datacenter string
	Options    []string
	Since      time.Time // start of the intent by OVH's clock
}

// Skew is how far the dates of orders and carts may be apart, so that a candidate is rather seen twice than missed.
const Skew = 10 * time.Minute

// Dead says whether a status means that the order will never be delivered. "cancelling" counts: OVH does not turn back from it.
func Dead(status string) bool { return status == "cancelled" || status == "cancelling" }

// Find applies the rules: what this mark has claimed comes first; else orders of the same plan, data centre and options placed since the intent, minus
// what others claim, minus what was cancelled or has ended. The outcome is OK for exactly one, None, or Several.
func Find(w Wish, orders []Candidate) (Outcome, []Candidate) {
	var mine, open []Candidate
	for _, c := range orders {
		if Dead(c.Status) || c.Ended {
			continue
		}
		switch {
		case c.ClaimedBy == w.Mark:
			mine = append(mine, c)
		case c.ClaimedBy != "":
		case c.PlanCode == w.PlanCode && strings.EqualFold(c.Datacenter, w.Datacenter) && sameSet(c.Options, w.Options) && !c.Date.Before(w.Since.Add(-Skew)):
			open = append(open, c)
		}
	}
	found := open
	if len(mine) > 0 {
		found = mine
	}
	slices.SortFunc(found, func(a, b Candidate) int { return int(a.OrderID - b.OrderID) })
	switch len(found) {
	case 0:
		return None, nil
	case 1:
		return OK, found
	}
	return Several, found
}

// Explained counts the orders of this wish that were placed and have died: each accounts for one cart that was checked out.
func Explained(w Wish, orders []Candidate) int {
	n := 0
	for _, c := range orders {
		if !Dead(c.Status) && !c.Ended {
			continue
		}
		mine := c.ClaimedBy == w.Mark
		match := c.ClaimedBy == "" && c.PlanCode == w.PlanCode && strings.EqualFold(c.Datacenter, w.Datacenter) && sameSet(c.Options, w.Options) && !c.Date.Before(w.Since.Add(-Skew))
		if mine || match {
			n++
		}
	}
	return n
}

// Ambiguous is the error for several candidates: it prints each of them with the command that adopts it.
func Ambiguous(w Wish, token, name string, found []Candidate) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d orders may be the one of %s, and none was bought again:", len(found), name)
	for _, c := range found {
		fmt.Fprintf(&b, "\n  order %d of %s: %s in %s, %s", c.OrderID, c.Date.UTC().Format(time.RFC3339), c.PlanCode, c.Datacenter, c.Status)
		id := c.ServiceName
		if id == "" {
			id = fmt.Sprintf("order/%d", c.OrderID)
		}
		fmt.Fprintf(&b, "\n    adopt it: pulumi import %s %s %s", token, name, id)
	}
	return fmt.Errorf("%s", b.String())
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
