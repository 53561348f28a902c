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

// Evidence is what the account's carts say. A cart that was checked out stands for one order, even before the order shows.
type Evidence struct {
	Mine   int // carts of this mark that were checked out and whose order is not known to have died
	Others int // carts of other marks, for the same plan, that were checked out and have claimed no order yet
}

// Find applies the rules: what this mark has claimed comes first; else orders of the same plan, data centre and options placed since the intent, minus
// what others claim, minus what was cancelled or has ended. The outcome is OK for one that may be taken, None, or Several.
//
// Orders that are equal in all of this can be told apart by nobody, and need not be: as long as there is a checked-out cart of ours behind each of them,
// any of the waiting marks may take any of them. As soon as there are more orders than carts, somebody else may have bought one, and a person must choose.
func Find(w Wish, e Evidence, orders []Candidate) (Outcome, []Candidate) {
	var mine, open []Candidate
	for _, c := range orders {
		if Dead(c.Status) || c.Ended {
			continue
		}
		switch {
		case c.ClaimedBy == w.Mark:
			mine = append(mine, c)
		case w.matches(c):
			open = append(open, c)
		}
	}
	byID := func(a, b Candidate) int { return int(a.OrderID - b.OrderID) }
	slices.SortFunc(mine, byID)
	slices.SortFunc(open, byID)
	switch {
	case len(mine) == 1:
		return OK, mine
	case len(mine) > 1:
		return Several, mine
	case len(open) == 0, e.Mine == 0 && len(open) <= e.Others:
		return None, nil
	case e.Mine > 0 && len(open) <= e.Mine+e.Others:
		return OK, open[:1]
	}
	return Several, open
}

// matches says whether an order nobody claims is what this intent would have bought.
func (w Wish) matches(c Candidate) bool {
	return c.ClaimedBy == "" && c.PlanCode == w.PlanCode && strings.EqualFold(c.Datacenter, w.Datacenter) && sameSet(c.Options, w.Options) && !c.Date.Before(w.Since.Add(-Skew))
}

// Explained counts the orders of this wish that were placed and have died: each accounts for one cart that was checked out.
func Explained(w Wish, orders []Candidate) int {
	n := 0
	for _, c := range orders {
		if !Dead(c.Status) && !c.Ended {
			continue
		}
		if c.ClaimedBy == w.Mark || w.matches(c) {
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
	b.WriteString("\n  one that belongs to something else is left out once its service carries another tag havre.mark")
	return fmt.Errorf("%s", b.String())
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
