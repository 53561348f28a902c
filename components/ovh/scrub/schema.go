package scrub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Schema is what a database holds, as far as a scrub must know. Query reads it.
type Schema struct {
	Columns []Column
	// Views are materialized views as schema.name, in the order in which they were made.
	Views []string
	// Foreign are foreign tables as schema.name: a write to one goes to another server.
	Foreign []string
	// Forced are tables whose row security holds for their owner too, so that an UPDATE would pass rows over in silence.
	Forced []string
	// Triggers are the tables with triggers of their own that are on: an audit trigger would write the old values down.
	Triggers []Trigger
	// LargeObjects is the number of large objects, which belong to no column.
	LargeObjects int
}

// Column is one column of an ordinary or a partitioned table. Partitions are left out: what is done to their parent is done to them.
type Column struct {
	Schema, Table, Name string
	// Type is as PostgreSQL prints it without its bounds ("character varying"), Full with them ("character varying(40)"). Length is 0 without a bound.
	Type, Full string
	Length     int
	NotNull    bool
	// Generated columns follow from others.
	Generated bool
	// ForeignKey is the name of a foreign key that the column is a part of, on either side; empty for none.
	ForeignKey string
	// Unique says that an index holds its values apart, alone or with others.
	Unique bool
}

func (c Column) place() place { return place{c.Schema, c.Table, c.Name} }

// Trigger is one trigger.
type Trigger struct{ Schema, Table, Name string }

// words in a column's name that mean personal data. Those of exact must be a whole part of the name; the others may be inside one: lastname, emails.
var (
	words = []string{
		"name", "mail", "phone", "mobile", "address", "street", "postcode", "postal", "zipcode", "birth", "gender", "passport", "password", "passwd", "secret",
		"latitude", "longitude", "iban", "useragent", "telephone", "contact", "surname", "signature", "salary", "religion", "national",
	}
	exact = []string{"ip", "tel", "fax", "dob", "ssn", "zip", "city", "sex", "age", "lat", "lng", "lon", "gps", "token", "agent", "note", "notes", "comment", "comments", "vat", "bic", "card"}
	// kinds are types that can hold anything, or are an address by themselves.
	kinds = []string{"json", "jsonb", "xml", "bytea", "hstore", "inet", "cidr", "macaddr", "macaddr8", "tsvector", "point"}
)

// Personal says why a column looks as if it held personal data; empty when it does not. It errs on the side of asking: a rule that keeps the column, with a
// reason, settles it.
func Personal(name, kind string) string {
	for _, part := range parts(name) {
		if slices.Contains(exact, part) {
			return fmt.Sprintf("its name has %q in it", part)
		}
		for _, w := range words {
			if strings.Contains(part, w) {
				return fmt.Sprintf("its name has %q in it", w)
			}
		}
	}
	// user_agent and userAgent alike.
	if joined := strings.Join(parts(name), ""); strings.Contains(joined, "useragent") || strings.Contains(joined, "ipaddr") {
		return "its name says so"
	}
	base, array := strings.CutSuffix(kind, "[]")
	if slices.Contains(kinds, base) || array && textual(base) {
		return fmt.Sprintf("type %s can hold anything", kind)
	}
	return ""
}

// parts splits a name at what is no letter, and where a capital begins.
func parts(name string) []string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		if !unicode.IsLetter(r) {
			r = ' '
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

func textual(kind string) bool {
	return slices.Contains([]string{"text", "character varying", "character", "citext", "name"}, kind)
}

// Check holds the rules against a database and says everything that keeps it from being scrubbed, joined.
func Check(rules []Rule, s Schema) error {
	if err := Validate(rules); err != nil {
		return err
	}
	byPlace, truncated := index(rules)
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	tables, columns := map[place]bool{}, map[place]bool{}
	for _, c := range s.Columns {
		table := place{schema: c.Schema, table: c.Table}
		tables[table], columns[c.place()] = true, true
		rule, ruled := byPlace[c.place()]
		if truncated[table] {
			continue
		}
		if !ruled {
			// What a generated column shows follows from others, and those are looked at themselves.
			if why := Personal(c.Name, c.Type); why != "" && !c.Generated {
				fail("column %s (%s) looks like personal data, %s, and has no rule; add one to Database.Scrub, or one that keeps it with a reason", c.place(), c.Type, why)
			}
			continue
		}
		if err := rule.fits(c); err != nil {
			errs = append(errs, err)
		}
	}
	for _, r := range rules {
		p, err := r.place()
		if err != nil {
			return err
		}
		switch {
		case p.column == "" && !tables[p]:
			fail("rule %q: the database has no table %s; remove the rule or mend its name", r.Target, p)
		case p.column != "" && !columns[p]:
			fail("rule %q: the database has no column %s; remove the rule or mend its name", r.Target, p)
		}
	}
	for _, t := range s.Foreign {
		fail("table %s is a foreign table: whoever may read the copy reads the server behind it; drop it in production, or fork without it", t)
	}
	for _, t := range s.Forced {
		fail("table %s forces row security on its owner, so that rows would be passed over; switch it off: ALTER TABLE %s NO FORCE ROW LEVEL SECURITY", t, t)
	}
	if s.LargeObjects > 0 {
		fail("the database has %d large objects, for which there are no rules; keep such content in object storage, or unlink them in production", s.LargeObjects)
	}
	return errors.Join(errs...)
}

// index finds rules by their place.
func index(rules []Rule) (byPlace map[place]Rule, truncated map[place]bool) {
	byPlace, truncated = map[place]Rule{}, map[place]bool{}
	for _, r := range rules {
		p, err := r.place()
		if err != nil {
			continue // Validate has refused it
		}
		if r.Action == Truncate {
			truncated[p] = true
		} else {
			byPlace[p] = r
		}
	}
	return byPlace, truncated
}

// fits says what keeps a rule from being applied to a column.
func (r Rule) fits(c Column) error {
	if r.Action == Keep {
		return nil
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("rule %q: "+format, append([]any{r.Target}, args...)...)
	}
	switch {
	case c.Generated:
		return wrong("the column is generated from others; give those a rule and remove this one")
	case c.ForeignKey != "":
		return wrong("the column is part of foreign key %s, whose two sides must stay equal; truncate the tables, or give them a key that is not personal", c.ForeignKey)
	case r.Action == Null && c.NotNull:
		return wrong("the column is NOT NULL; use fixed, hash or one of the invented values")
	case c.Unique && slices.Contains([]Action{Fixed, Year, Name, Phone, Address, IP}, r.Action):
		return wrong("the column is part of a unique index, and %s gives equal values; use hash or email", r.Action)
	case r.Action == Hash && c.Unique && textual(c.Type) && c.Length > 0 && c.Length < 32:
		return wrong("the column is unique and holds %d characters, too few for a hash that stays unique (32); use null or truncate the table", c.Length)
	case r.Action == Email && textual(c.Type) && c.Length > 0 && c.Length < 40:
		return wrong("the column holds %d characters, an invented address has 40; use hash or null", c.Length)
	}
	if _, err := r.expression(c); err != nil {
		return err
	}
	return nil
}
