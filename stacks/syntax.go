package stacks

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	labelSyntax    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	domainLabel    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	planCodeSyntax = regexp.MustCompile(`^[0-9a-z]+(-[0-9a-z]+)*$`)
	durationSyntax = regexp.MustCompile(`^P[1-9][0-9]?[MY]$`)
	vrackSyntax    = regexp.MustCompile(`^pn-[0-9]+$`)
	versionSyntax  = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	majorSyntax    = regexp.MustCompile(`^[1-9][0-9]*$`)
	emailSyntax    = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
	zoneIDSyntax   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	projectSyntax  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	sqlSyntax      = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	bucketSyntax   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	timeZoneSyntax = regexp.MustCompile(`^[A-Z][A-Za-z_]+(/[A-Z][A-Za-z_+0-9-]*)+$`)
)

// The minor versions of Kubernetes between which this program works: AuthenticationConfiguration has conditions for anonymous access by default since 1.32
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-authenticator-configuration), and after 1.36 no kubelet runs on cgroup v1.
const (
	oldestMinor       = 32
	lastCgroupV1Minor = 36
)

// kubernetesMinor is the minor of a version of Kubernetes that is pinned in full, 1.MINOR.PATCH.
func kubernetesMinor(version string) (minor int, found bool) {
	parts := strings.Split(version, ".")
	if !versionSyntax.MatchString(version) || parts[0] != "1" {
		return 0, false
	}
	minor, err := strconv.Atoi(parts[1])
	return minor, err == nil
}

// isLabel reports whether the name is a DNS label that starts with a letter, as OVH's host names and Kubernetes' Services do.
func isLabel(name string) bool { return labelSyntax.MatchString(name) }

// isDomain reports whether the name has at least two labels, 253 characters at most and no final dot.
func isDomain(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !domainLabel.MatchString(label) {
			return false
		}
	}
	return len(labels) >= 2 && len(name) <= 253
}

// inZone reports whether the name is the zone or below it.
func inZone(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

// cronFields are the fields of a cron expression with their bounds. Sunday is 0 only: Kubernetes does not take 7.
var cronFields = []struct {
	name     string
	min, max int
}{{"minute", 0, 59}, {"hour", 0, 23}, {"day of month", 1, 31}, {"month", 1, 12}, {"day of week", 0, 6}}

// cronFault says what is wrong with a cron expression of five numeric fields (lists, ranges and steps allowed), or returns "". Names and
// "@daily" are not taken: one way to write a schedule is enough.
func cronFault(expression string) string {
	fields := strings.Fields(expression)
	if len(fields) != len(cronFields) || strings.Join(fields, " ") != expression {
		return strconv.Itoa(len(fields)) + " fields, wanted minute, hour, day of month, month and day of week with one space between"
	}
	for i, field := range fields {
		bounds := cronFields[i]
		for _, item := range strings.Split(field, ",") {
			if !cronItem(item, bounds.min, bounds.max) {
				return bounds.name + " " + strconv.Quote(item) + ", wanted *, a number from " + strconv.Itoa(bounds.min) + " to " +
					strconv.Itoa(bounds.max) + " or a range, each with an optional /step"
			}
		}
	}
	return ""
}

// cronItem accepts "*", "5", "1-5", "*/15" and "0-30/10".
func cronItem(item string, low, high int) bool {
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		if n, ok := cronNumber(step); !ok || n < 1 || n > high {
			return false
		}
	}
	if span == "*" {
		return true
	}
	from, to, ranged := strings.Cut(span, "-")
	a, ok := cronNumber(from)
	if !ok || a < low || a > high || (stepped && !ranged) {
		return false
	}
	if !ranged {
		return true
	}
	b, ok := cronNumber(to)
	return ok && b >= a && b <= high
}

// cronNumber reads one or two digits.
func cronNumber(text string) (int, bool) {
	if len(text) < 1 || len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
