package scrub

import (
	"fmt"
	"slices"
	"strings"
)

// KeySetting is the setting that holds the hash's key while the transaction runs: SELECT set_config(KeySetting, key, true).
const KeySetting = "havre.scrub_key"

// Script is the SQL of one scrub. It holds no value of the database and no secret.
type Script struct {
	// Functions are made first, in the session's own schema, so that they are gone with it.
	Functions []string
	// Replace is one transaction, after the functions and the key.
	Replace []Statement
	// Clean must follow, each statement by itself: it drops the old rows, the statistics of the old values and what views kept of them.
	Clean []Statement
}

// Statement is one statement, and the table whose rows it changes; empty for one that changes none.
type Statement struct{ Table, SQL string }

var firstNames = []string{
	"Alba", "Bruno", "Celia", "Darius", "Elin", "Fabio", "Greta", "Hugo", "Ines", "Jonas", "Katia", "Levin", "Mira", "Nils", "Olga", "Pablo", "Quirin", "Rosa", "Silas", "Tilda", "Udo", "Vera",
	"Willem", "Xenia", "Yann", "Zoe",
}

var lastNames = []string{
	"Aldermoor", "Birkfeld", "Castelrond", "Dunwater", "Eichgrund", "Fontclair", "Grauberg", "Hollowby", "Isselmark", "Juniperus", "Kaltbach", "Lindholt", "Marrowick", "Nordhain", "Ostervale",
	"Pinegard", "Quellmann", "Rosenfurt", "Steinvik", "Tannhof", "Ulmental", "Valbrook", "Weidengrund", "Yarrowell", "Zedernholm",
}

// functions are STRICT, so NULL stays NULL.
var functions = []string{
	`CREATE OR REPLACE FUNCTION pg_temp.havre_hash(value text) RETURNS text LANGUAGE sql STABLE STRICT
  AS $$ SELECT encode(sha256(convert_to(current_setting('` + KeySetting + `') || ':' || value, 'UTF8')), 'hex') $$`,
	`CREATE OR REPLACE FUNCTION pg_temp.havre_number(value text, salt text, bound int) RETURNS int LANGUAGE sql STABLE STRICT
  AS $$ SELECT (('x' || left(pg_temp.havre_hash(salt || value), 7))::bit(28)::int % bound) $$`,
	`CREATE OR REPLACE FUNCTION pg_temp.havre_name(value text) RETURNS text LANGUAGE sql STABLE STRICT
  AS $$ SELECT (` + array(firstNames) + `)[1 + pg_temp.havre_number(value, 'first', ` + fmt.Sprint(len(firstNames)) + `)] || ' ' ||
  (` + array(lastNames) + `)[1 + pg_temp.havre_number(value, 'last', ` + fmt.Sprint(len(lastNames)) + `)] $$`,
}

func array(names []string) string { return "ARRAY['" + strings.Join(names, "', '") + "']" }

// expression is what a column gets.
func (r Rule) expression(c Column) (string, error) {
	old := quote(c.Name) + "::text"
	var text string
	switch r.Action {
	case Null:
		return "NULL", nil
	case Fixed:
		return literal(r.Value) + "::" + c.Full, nil
	case Year:
		if c.Type == "date" || strings.HasPrefix(c.Type, "timestamp") {
			return fmt.Sprintf("date_trunc('year', %s)::%s", quote(c.Name), c.Type), nil
		}
		return "", fmt.Errorf("rule %q: year is for dates and timestamps, the column is %s; use null or fixed", r.Target, c.Type)
	case Hash:
		hash := "pg_temp.havre_hash(" + old + ")"
		switch c.Type {
		case "uuid":
			return "left(" + hash + ", 32)::uuid", nil
		case "bigint":
			return "('x' || left(" + hash + ", 15))::bit(60)::bigint", nil
		case "integer":
			return "('x' || left(" + hash + ", 7))::bit(28)::int", nil
		}
		text = hash
	case Name:
		text = "pg_temp.havre_name(" + old + ")"
	case Email:
		text = "'reader-' || left(pg_temp.havre_hash(" + old + "), 17) || '@example.invalid'"
	case Phone:
		text = "'+3319900' || lpad(pg_temp.havre_number(" + old + ", 'phone', 10000)::text, 4, '0')"
	case Address:
		text = "(1 + pg_temp.havre_number(" + old + ", 'house', 199))::text || ' rue des Exemples, ' || lpad((1 + pg_temp.havre_number(" + old + ", 'town', 98))::text, 2, '0') || '999 Villefictive'"
	case IP:
		text = "'192.0.2.' || (1 + pg_temp.havre_number(" + old + ", 'ip', 254))::text"
		if c.Type == "inet" || c.Type == "cidr" {
			return "(" + text + ")::" + c.Type, nil
		}
	default:
		return "", fmt.Errorf("rule %q: action %q replaces nothing; this is a mistake in components/ovh/scrub", r.Target, r.Action)
	}
	if !textual(c.Type) {
		return "", fmt.Errorf("rule %q: %s gives text, the column is %s; use null, fixed or truncate", r.Target, r.Action, c.Type)
	}
	if c.Length > 0 {
		return fmt.Sprintf("left(%s, %d)", text, c.Length), nil
	}
	return text, nil
}

// Compile makes the SQL of rules for a database, tables in the order of their names. It fails where Check does.
func Compile(rules []Rule, s Schema) (Script, error) {
	if err := Check(rules, s); err != nil {
		return Script{}, err
	}
	byPlace, truncated := index(rules)
	script := Script{Functions: functions}
	sets := map[place][]string{}
	columns := slices.SortedFunc(slices.Values(s.Columns), func(a, b Column) int { return strings.Compare(a.place().String(), b.place().String()) })
	for _, c := range columns {
		rule, ruled := byPlace[c.place()]
		if !ruled || rule.Action == Keep {
			continue
		}
		value, err := rule.expression(c)
		if err != nil {
			return Script{}, err
		}
		table := place{schema: c.Schema, table: c.Table}
		sets[table] = append(sets[table], quote(c.Name)+" = "+value)
	}
	add := func(table place, sql string) { script.Replace = append(script.Replace, Statement{table.String(), sql}) }
	mute := func(verb string) {
		for _, t := range sortedTriggers(s.Triggers) {
			if table := (place{schema: t.Schema, table: t.Table}); len(sets[table]) > 0 || truncated[table] {
				script.Replace = append(script.Replace, Statement{SQL: "ALTER TABLE " + table.quoted() + " " + verb + " TRIGGER " + quote(t.Name)})
			}
		}
	}
	mute("DISABLE")
	if gone := sorted(truncated); len(gone) > 0 {
		list := make([]string, len(gone))
		for i, t := range gone {
			list[i] = t.quoted()
		}
		// One statement: tables that refer to each other can only be emptied together.
		script.Replace = append(script.Replace, Statement{SQL: "TRUNCATE " + strings.Join(list, ", ")})
	}
	for _, c := range columns {
		if truncated[place{schema: c.Schema, table: c.Table}] && !c.Generated && Personal(c.Name, c.Type) != "" {
			script.Replace = append(script.Replace, Statement{SQL: forget(c)})
		}
	}
	touched := sorted(sets)
	for _, t := range touched {
		add(t, "UPDATE "+t.quoted()+" SET\n  "+strings.Join(sets[t], ",\n  "))
	}
	// A table with checks that wait for the commit cannot be altered before they were made.
	script.Replace = append(script.Replace, Statement{SQL: "SET CONSTRAINTS ALL IMMEDIATE"})
	mute("ENABLE")
	for _, t := range touched {
		script.Clean = append(script.Clean, Statement{SQL: "VACUUM (FULL, ANALYZE) " + t.quoted()})
	}
	for _, v := range s.Views {
		schema, name, _ := strings.Cut(v, ".")
		script.Clean = append(script.Clean, Statement{SQL: "REFRESH MATERIALIZED VIEW " + place{schema: schema, table: name}.quoted()},
			Statement{SQL: "ANALYZE " + place{schema: schema, table: name}.quoted()})
	}
	return script, nil
}

// forget drops the statistics of a column of an emptied table: ANALYZE leaves those of a table without rows alone, and they hold its most common values. The
// only way of an owner's is to set the column's type, to what it is; PostgreSQL refuses that where a view reads the column, which is worth a warning.
func forget(c Column) string {
	return fmt.Sprintf("DO $forget$ BEGIN ALTER TABLE %s ALTER COLUMN %s TYPE %s; EXCEPTION WHEN feature_not_supported THEN\n"+
		"  RAISE WARNING 'column %s keeps its statistics until the table has rows and is analyzed: a view reads it'; END $forget$",
		place{schema: c.Schema, table: c.Table}.quoted(), quote(c.Name), c.Full, strings.NewReplacer("'", "''", "%", "%%").Replace(c.place().String()))
}

func sorted[V any](m map[place]V) []place {
	out := make([]place, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func sortedTriggers(list []Trigger) []Trigger {
	return slices.SortedFunc(slices.Values(list), func(a, b Trigger) int {
		return strings.Compare(a.Schema+"."+a.Table+"."+a.Name, b.Schema+"."+b.Table+"."+b.Name)
	})
}

func (p place) quoted() string { return quote(p.schema) + "." + quote(p.table) }

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal escapes by the standard: backslashes mean themselves, because standard_conforming_strings is on wherever PostgreSQL is newer than 9.1.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// String is the whole script, for a reader.
func (s Script) String() string {
	var b strings.Builder
	for _, f := range s.Functions {
		b.WriteString(f + ";\n")
	}
	b.WriteString("BEGIN;\n")
	for _, st := range s.Replace {
		b.WriteString(st.SQL + ";\n")
	}
	b.WriteString("COMMIT;\n")
	for _, st := range s.Clean {
		b.WriteString(st.SQL + ";\n")
	}
	return b.String()
}
