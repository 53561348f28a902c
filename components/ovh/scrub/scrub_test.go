package scrub_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"havre/components/ovh/scrub"
)

var update = flag.Bool("update", false, "write the golden files anew")

func column(name, kind string, more ...func(*scrub.Column)) scrub.Column {
	c := scrub.Column{Schema: "public", Table: "readers", Name: name, Type: kind, Full: kind}
	for _, f := range more {
		f(&c)
	}
	return c
}

func unique(c *scrub.Column)    { c.Unique = true }
func notNull(c *scrub.Column)   { c.NotNull = true }
func generated(c *scrub.Column) { c.Generated = true }
func foreign(c *scrub.Column)   { c.ForeignKey = "orders_email_fkey" }

func in(table string) func(*scrub.Column) { return func(c *scrub.Column) { c.Table = table } }

func length(n int, full string) func(*scrub.Column) {
	return func(c *scrub.Column) { c.Length, c.Full = n, full }
}

// schema has a column of every kind that a rule can be for.
func schema() scrub.Schema {
	return scrub.Schema{
		Columns: []scrub.Column{
			column("id", "bigint", unique, notNull), column("email", "text", unique, notNull), column("full_name", "character varying", length(40, "character varying(40)")),
			column("phone", "text"), column("address", "text"), column("born", "date"), column("seen_ip", "inet"), column("profile", "jsonb", notNull),
			column("letter", "text"), column("session", "uuid", unique), column("number", "bigint"), column("small", "integer"), column("email_domain", "text", generated),
			column("nick", "text"), column("score", "integer"),
			column("old_name", "text", in("audit")), column("at", "timestamp with time zone", in("audit")), column("name", "text", in("campaigns")),
			column("stamp", "timestamp(3) with time zone", in("visits")),
		},
		Views: []string{"public.directory"}, Triggers: []scrub.Trigger{{Schema: "public", Table: "readers", Name: "remember"}, {Schema: "public", Table: "campaigns", Name: "other"}},
	}
}

func rules() []scrub.Rule {
	return []scrub.Rule{
		{Target: "readers.email", Action: scrub.Email}, {Target: "public.readers.full_name", Action: scrub.Name}, {Target: "readers.phone", Action: scrub.Phone},
		{Target: "readers.address", Action: scrub.Address}, {Target: "readers.born", Action: scrub.Year}, {Target: "readers.seen_ip", Action: scrub.IP},
		{Target: "readers.profile", Action: scrub.Fixed, Value: `{"it's": "fixed"}`}, {Target: "readers.letter", Action: scrub.Null}, {Target: "readers.session", Action: scrub.Hash},
		{Target: "readers.number", Action: scrub.Hash}, {Target: "readers.small", Action: scrub.Hash}, {Target: "readers.nick", Action: scrub.Hash}, {Target: "audit", Action: scrub.Truncate},
		{Target: "campaigns.name", Action: scrub.Keep, Why: "of a campaign"},
	}
}

func TestScript(t *testing.T) {
	script, err := scrub.Compile(rules(), schema())
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/script.sql"
	if *update {
		if err := os.WriteFile(golden, []byte(script.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if script.String() != string(want) {
		t.Errorf("%s differs; look at it, then run go test -update\ngot\n%s", golden, script)
	}
	// The order of rules and columns is nobody's concern.
	shuffled, s := rules(), schema()
	slices.Reverse(shuffled)
	slices.Reverse(s.Columns)
	again, err := scrub.Compile(shuffled, s)
	if err != nil || again.String() != script.String() {
		t.Errorf("another order gives another script: %v", err)
	}
	if scrub.Digest(shuffled) != scrub.Digest(rules()) {
		t.Error("another order gives another digest")
	}
}

func TestDigest(t *testing.T) {
	base := scrub.Digest(rules())
	reworded := rules()
	reworded[0].Why, reworded[0].Target = "another reason", "public.readers.email"
	if scrub.Digest(reworded) != base {
		t.Error("a reason or a spelling changes the digest: every fork would have to be made anew for a comment")
	}
	for i := range rules() {
		changed := rules()
		changed[i].Action = scrub.Null
		if rules()[i].Action != scrub.Null && scrub.Digest(changed) == base {
			t.Errorf("rule %s changed, the digest did not", changed[i].Target)
		}
		if scrub.Digest(slices.Delete(rules(), i, i+1)) == base {
			t.Errorf("rule %d is gone, the digest is the same", i)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		rule scrub.Rule
		want string
	}{
		{scrub.Rule{Target: "readers.email", Action: "burn"}, `rule "readers.email": action "burn" is none of [keep truncate null fixed year hash name email phone address ip]; set one of them`},
		{scrub.Rule{Target: "readers", Action: scrub.Null}, `rule "readers": the target is not a column in lower case; write it like readers.email or public.readers.email`},
		{scrub.Rule{Target: "a.b.c.d", Action: scrub.Null}, `rule "a.b.c.d": the target is not a column in lower case; write it like readers.email or public.readers.email`},
		{scrub.Rule{Target: `readers.e"; DROP`, Action: scrub.Null}, `rule "readers.e\"; DROP": the target is not a column in lower case; write it like readers.email or public.readers.email`},
		{scrub.Rule{Target: "public.readers.email", Action: scrub.Truncate}, `rule "public.readers.email": the target is not a table in lower case; write it like readers or public.readers`},
		{scrub.Rule{Target: "readers.x", Action: scrub.Null, Value: "v"}, `rule "readers.x": value "v" is for fixed only; clear it`},
		{scrub.Rule{Target: "readers.x", Action: scrub.Fixed, Value: "a\x00b"}, `rule "readers.x": the value has a zero byte, which PostgreSQL does not take; remove it`},
		{scrub.Rule{Target: "readers.x", Action: scrub.Keep, Why: " "}, `rule "readers.x": keeps data without a reason; say in Why why it is not personal`},
		{scrub.Rule{Target: "public.readers.email", Action: scrub.Null}, `rule "public.readers.email": is there twice; keep one`},
		{scrub.Rule{Target: "audit.old_name", Action: scrub.Null}, `rule "audit.old_name": its table is truncated; remove one of the two rules`},
	} {
		if err := scrub.Validate(append(rules(), c.rule)); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	if err := scrub.Validate(rules()); err != nil {
		t.Error(err)
	}
	if err := scrub.Validate(make([]scrub.Rule, scrub.MaxRules+1)); err == nil || !strings.HasPrefix(err.Error(), "rules: are 2001, at most 2000 are taken; truncate whole tables instead\n") {
		t.Errorf("too many rules: %.100v", err)
	}
}

func TestCheck(t *testing.T) {
	drop := func(target string) func([]scrub.Rule, *scrub.Schema) []scrub.Rule {
		return func(list []scrub.Rule, _ *scrub.Schema) []scrub.Rule {
			return slices.DeleteFunc(list, func(r scrub.Rule) bool { return r.Target == target })
		}
	}
	with := func(r scrub.Rule, columns ...scrub.Column) func([]scrub.Rule, *scrub.Schema) []scrub.Rule {
		return func(list []scrub.Rule, s *scrub.Schema) []scrub.Rule {
			s.Columns = append(s.Columns, columns...)
			if r.Target == "" {
				return list
			}
			return append(list, r)
		}
	}
	for _, c := range []struct {
		name   string
		change func([]scrub.Rule, *scrub.Schema) []scrub.Rule
		want   string
	}{
		{"email without a rule", drop("readers.email"), `column public.readers.email (text) looks like personal data, its name has "mail" in it, and has no rule; add one to Database.Scrub, or one that keeps it with a reason`},
		{"json without a rule", drop("readers.profile"), `column public.readers.profile (jsonb) looks like personal data, type jsonb can hold anything, and has no rule; add one to Database.Scrub, or one that keeps it with a reason`},
		{"camel case", with(scrub.Rule{}, column("homeStreet", "text")), `column public.readers.homeStreet (text) looks like personal data, its name has "street" in it, and has no rule; add one to Database.Scrub, or one that keeps it with a reason`},
		{"no such column", with(scrub.Rule{Target: "readers.gone", Action: scrub.Null}), `rule "readers.gone": the database has no column public.readers.gone; remove the rule or mend its name`},
		{"no such table", with(scrub.Rule{Target: "gone", Action: scrub.Truncate}), `rule "gone": the database has no table public.gone; remove the rule or mend its name`},
		{"generated", with(scrub.Rule{Target: "readers.email_domain", Action: scrub.Null}), `rule "readers.email_domain": the column is generated from others; give those a rule and remove this one`},
		{"foreign key", with(scrub.Rule{Target: "orders.email", Action: scrub.Email}, column("email", "text", in("orders"), foreign)), `rule "orders.email": the column is part of foreign key orders_email_fkey, whose two sides must stay equal; truncate the tables, or give them a key that is not personal`},
		{"null in not null", with(scrub.Rule{Target: "readers.x", Action: scrub.Null}, column("x", "text", notNull)), `rule "readers.x": the column is NOT NULL; use fixed, hash or one of the invented values`},
		{"equal values in unique", with(scrub.Rule{Target: "readers.x", Action: scrub.Phone}, column("x", "text", unique)), `rule "readers.x": the column is part of a unique index, and phone gives equal values; use hash or email`},
		{"short unique hash", with(scrub.Rule{Target: "readers.x", Action: scrub.Hash}, column("x", "character varying", unique, length(8, "character varying(8)"))), `rule "readers.x": the column is unique and holds 8 characters, too few for a hash that stays unique (32); use null or truncate the table`},
		{"short email", with(scrub.Rule{Target: "readers.x", Action: scrub.Email}, column("x", "character varying", length(30, "character varying(30)"))), `rule "readers.x": the column holds 30 characters, an invented address has 40; use hash or null`},
		{"year of a number", with(scrub.Rule{Target: "readers.score", Action: scrub.Year}), `rule "readers.score": year is for dates and timestamps, the column is integer; use null or fixed`},
		{"name in a number", with(scrub.Rule{Target: "readers.score", Action: scrub.Name}), `rule "readers.score": name gives text, the column is integer; use null, fixed or truncate`},
		{"foreign table", func(l []scrub.Rule, s *scrub.Schema) []scrub.Rule { s.Foreign = []string{"public.far"}; return l }, `table public.far is a foreign table: whoever may read the copy reads the server behind it; drop it in production, or fork without it`},
		{"forced row security", func(l []scrub.Rule, s *scrub.Schema) []scrub.Rule { s.Forced = []string{"public.readers"}; return l }, `table public.readers forces row security on its owner, so that rows would be passed over; switch it off: ALTER TABLE public.readers NO FORCE ROW LEVEL SECURITY`},
		{"large objects", func(l []scrub.Rule, s *scrub.Schema) []scrub.Rule { s.LargeObjects = 3; return l }, `the database has 3 large objects, for which there are no rules; keep such content in object storage, or unlink them in production`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schema()
			list := c.change(rules(), &s)
			if err := scrub.Check(list, s); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if script, err := scrub.Compile(list, s); err == nil {
				t.Errorf("a refused list compiles:\n%s", script)
			}
		})
	}
}

func TestPersonal(t *testing.T) {
	for _, name := range []string{"email", "Email", "e_mail", "first_name", "lastName", "username", "phone_number", "ship_address", "date_of_birth", "dob", "ip", "client_ip", "zip", "user_agent", "userAgent", "ip_addr", "access_token", "notes", "city", "iban"} {
		if scrub.Personal(name, "text") == "" {
			t.Errorf("%s does not look personal", name)
		}
	}
	for _, name := range []string{"id", "price", "created_at", "description", "zipped", "shipped", "tip", "score", "recipient_count", "agency_fee", "capacity", "page", "usage"} {
		if why := scrub.Personal(name, "text"); why != "" {
			t.Errorf("%s looks personal: %s", name, why)
		}
	}
	for _, kind := range []string{"jsonb", "inet", "bytea", "text[]", "tsvector", "jsonb[]"} {
		if scrub.Personal("x", kind) == "" {
			t.Errorf("type %s is not asked about", kind)
		}
	}
	for _, kind := range []string{"integer", "integer[]", "date", "boolean"} {
		if why := scrub.Personal("x", kind); why != "" {
			t.Errorf("type %s is asked about: %s", kind, why)
		}
	}
}
