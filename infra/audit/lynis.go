package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// lynisCommand has the whole host looked at and prints the report. Lynis comes with the host's base set-up. Where it may write is a folder that goes again.
const lynisCommand = `set -eu; d=$(mktemp -d); trap 'sudo -n rm -rf "$d"' EXIT; ` +
	`sudo -n lynis audit system --quick --quiet --no-colors --report-file "$d/report" --logfile "$d/log" >/dev/null; sudo -n cat "$d/report"`

// ParseLynis reads Lynis' report of one host: what it warns of fails, what it suggests is for a person to look at, and what it ran beside holds.
//
// The thing to get wrong: one of its tests may suggest several things, such as one for each setting of sshd. Each is a finding, named by the test and the setting.
func ParseLynis(host, report string) ([]Finding, error) {
	var all []Finding
	var ran []string
	said, seen := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(report) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), "=")
		var status Status
		switch key {
		case "tests_executed":
			ran = strings.FieldsFunc(value, func(r rune) bool { return r == '|' })
			continue
		case "warning[]":
			status = Fail
		case "suggestion[]":
			status = Warn
		default:
			continue
		}
		fields := strings.Split(value, "|")
		if len(fields) < 4 || fields[0] == "" {
			return nil, fmt.Errorf("lynis printed a line that is not TEST|TEXT|DETAILS|SOLUTION: %q", line)
		}
		f := Finding{ID: fields[0], Text: fields[1], Remedy: plain(fields[3]), Hosts: map[string]Status{host: status}}
		said[f.ID] = true
		if detail := plain(fields[2]); detail != "" {
			f.ID += " " + strings.Fields(detail)[0]
			f.Text += ": " + detail
		}
		if !seen[f.ID] {
			seen[f.ID] = true
			all = append(all, f)
		}
	}
	if len(ran) == 0 {
		return nil, errors.New("lynis checked nothing")
	}
	for _, id := range ran {
		if !said[id] && !seen[id] {
			seen[id] = true
			all = append(all, Finding{ID: id, Text: "lynis finds nothing to say", Hosts: map[string]Status{host: Pass}})
		}
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// plain is a field of the report; a dash is Lynis' word for nothing.
func plain(field string) string {
	field = strings.TrimSpace(field)
	if field == "-" {
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(field, "text:"), "url:")
}
