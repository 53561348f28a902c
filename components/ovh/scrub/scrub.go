// Package scrub turns rules about personal data into the SQL that replaces it in a copy of a database, and refuses a copy that the rules do not cover.
//
// The one thing a reader would get wrong: replacing a row's values is not enough. PostgreSQL keeps the old row until it is vacuumed, keeps the most common
// values of a column in its statistics, and keeps whole results in materialized views. Compile therefore gives three lists: what must be one transaction, and
// what must follow it. Hashes are keyed with a random key that nobody keeps: without one, the hash of an address is found again by hashing all addresses.
package scrub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Action is what happens to a value. NULL stays NULL under all of them.
type Action string

// The actions. Those from Hash on give the same replacement for the same value everywhere in one copy, so that joins and groups survive.
const (
	// Keep leaves the column as it is, although it looks personal. Why must say why it is not.
	Keep Action = "keep"
	// Truncate empties the table. It takes a table, not a column.
	Truncate Action = "truncate"
	// Null empties the column.
	Null Action = "null"
	// Fixed puts Value, in PostgreSQL's text form for the column's type, into every row.
	Fixed Action = "fixed"
	// Year keeps the year of a date or a timestamp, which statistics need, and nothing else.
	Year Action = "year"
	// Hash is a keyed SHA-256: hexadecimal in text, and cut to size in uuid, integer and bigint. It stays unique in text and uuid.
	Hash Action = "hash"
	// Name is an invented first and last name.
	Name Action = "name"
	// Email is an address at example.invalid, which no mail can reach (RFC 2606). It stays unique.
	Email Action = "email"
	// Phone is a number of those that ARCEP keeps free for fiction (+33 1 99 00 …): 10,000 of them, so not for a unique column.
	Phone Action = "phone"
	// Address is an invented postal address on one line.
	Address Action = "address"
	// IP is an address for documentation (RFC 5737).
	IP Action = "ip"
)

// Actions lists all of them, in the order of the constants.
func Actions() []Action {
	return []Action{Keep, Truncate, Null, Fixed, Year, Hash, Name, Email, Phone, Address, IP}
}

// Rule says what happens to one column, or with Truncate to one table.
type Rule struct {
	// Target is table.column or schema.table.column, of Truncate table or schema.table. The schema is public when left out.
	Target string
	Action Action
	// Value is for Fixed.
	Value string
	// Why is one sentence for whoever audits the copy: what the data is, or for Keep why it is not personal. Required for Keep.
	Why string
}

// MaxRules bounds a list, so that a slip of a loop shows.
const MaxRules = 2000

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// place is a parsed target.
type place struct{ schema, table, column string }

func (p place) String() string {
	if p.column == "" {
		return p.schema + "." + p.table
	}
	return p.schema + "." + p.table + "." + p.column
}

func (r Rule) place() (place, error) {
	parts := strings.Split(r.Target, ".")
	columns := 1
	if r.Action == Truncate {
		columns = 0
	}
	if len(parts) == 1+columns {
		parts = append([]string{"public"}, parts...)
	}
	if len(parts) != 2+columns || slices.ContainsFunc(parts, func(s string) bool { return !identifier.MatchString(s) }) {
		if columns == 0 {
			return place{}, fmt.Errorf("rule %q: the target is not a table in lower case; write it like readers or public.readers", r.Target)
		}
		return place{}, fmt.Errorf("rule %q: the target is not a column in lower case; write it like readers.email or public.readers.email", r.Target)
	}
	p := place{schema: parts[0], table: parts[1]}
	if columns == 1 {
		p.column = parts[2]
	}
	return p, nil
}

// Validate says everything that is wrong with rules by themselves, joined. Check holds them against a database.
func Validate(rules []Rule) error {
	var errs []error
	if len(rules) > MaxRules {
		errs = append(errs, fmt.Errorf("rules: are %d, at most %d are taken; truncate whole tables instead", len(rules), MaxRules))
	}
	seen, truncated := map[place]bool{}, map[place]bool{}
	for _, r := range rules {
		if !slices.Contains(Actions(), r.Action) {
			errs = append(errs, fmt.Errorf("rule %q: action %q is none of %v; set one of them", r.Target, r.Action, Actions()))
			continue
		}
		p, err := r.place()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[p] {
			errs = append(errs, fmt.Errorf("rule %q: is there twice; keep one", r.Target))
		}
		seen[p] = true
		if r.Action == Truncate {
			truncated[p] = true
		}
		if r.Action != Fixed && r.Value != "" {
			errs = append(errs, fmt.Errorf("rule %q: value %q is for fixed only; clear it", r.Target, r.Value))
		}
		if strings.ContainsRune(r.Value, 0) {
			errs = append(errs, fmt.Errorf("rule %q: the value has a zero byte, which PostgreSQL does not take; remove it", r.Target))
		}
		if r.Action == Keep && strings.TrimSpace(r.Why) == "" {
			errs = append(errs, fmt.Errorf("rule %q: keeps data without a reason; say in Why why it is not personal", r.Target))
		}
	}
	for _, r := range rules {
		if p, err := r.place(); err == nil && p.column != "" && truncated[place{schema: p.schema, table: p.table}] {
			errs = append(errs, fmt.Errorf("rule %q: its table is truncated; remove one of the two rules", r.Target))
		}
	}
	return errors.Join(errs...)
}

// Digest names a list of rules by its content, its order and its reasons left out: eight hexadecimal digits.
func Digest(rules []Rule) string {
	lines := make([]string, 0, len(rules))
	for _, r := range rules {
		target := r.Target
		if p, err := r.place(); err == nil {
			target = p.String()
		}
		lines = append(lines, fmt.Sprintf("%q %q %q", target, r.Action, r.Value))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:4])
}
