package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"havre/infra/report/table"
)

// Exception is a check that fails and is meant to, or one that a person has looked at.
type Exception struct {
	// ID is the finding's.
	ID string
	// Why says what protects instead, or why the check does not speak of this platform.
	Why string
	// Sandbox says that only hosts which are namespaces of this machine end so.
	Sandbox bool
}

// Judge holds findings against the exceptions: every check that fails without a reason, and every reason for what holds everywhere, is an error.
func Judge(findings []Finding, exceptions []Exception) error {
	known, used := map[string]bool{}, map[string]bool{}
	for _, e := range exceptions {
		known[e.ID] = true
	}
	var errs []error
	for _, f := range findings {
		failed := f.Failed()
		used[f.ID] = len(failed) > 0 || f.any(Warn)
		if len(failed) == 0 {
			continue
		}
		if !known[f.ID] {
			errs = append(errs, fmt.Errorf("check %s fails on %s: %s; mend it (%s), or give the reason in infra/audit/exceptions.go", f.ID, strings.Join(failed, ", "), f.Text, oneLine(f.Remedy)))
		}
	}
	for _, e := range exceptions {
		if !used[e.ID] {
			errs = append(errs, fmt.Errorf("check %s does not fail; remove its reason from infra/audit/exceptions.go", e.ID))
		}
	}
	return errors.Join(errs...)
}

// Of are the exceptions that the findings have a use for.
func Of(findings []Finding, exceptions []Exception) []Exception {
	return slices.DeleteFunc(slices.Clone(exceptions), func(e Exception) bool {
		return !slices.ContainsFunc(findings, func(f Finding) bool { return f.ID == e.ID && (f.any(Fail) || f.any(Warn)) })
	})
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Text shows what fails, with the reasons, then what a person must look at, and sums up. all shows what holds as well.
func Text(findings []Finding, exceptions []Exception, all bool) string {
	why := map[string]string{}
	for _, e := range exceptions {
		why[e.ID] = e.Why
	}
	list := table.Table{Columns: table.Columns("CHECK", "ENDS AS", "WHAT MUST HOLD", "WHERE", "WHY NOT")}
	var passed, excused, failed, manual int
	for _, f := range findings {
		switch bad := f.Failed(); {
		case len(bad) > 0:
			if why[f.ID] != "" {
				excused++
			} else {
				failed++
			}
			list.Add(f.ID, "fails", f.Text, where(bad, len(f.Hosts)), why[f.ID])
		case f.any(Warn):
			manual++
			list.Add(f.ID, "to be looked at", f.Text, "", why[f.ID])
		default:
			passed++
			if all {
				list.Add(f.ID, "holds", f.Text, "", "")
			}
		}
	}
	return list.Text() + fmt.Sprintf("\naudit: %d checks hold, %d fail for a reason, %d fail without one, %d are for a person to look at\n", passed, excused, failed, manual)
}

// where names the hosts unless it is all of them.
func where(bad []string, of int) string {
	if len(bad) == of {
		return fmt.Sprintf("all %d", of)
	}
	return strings.Join(bad, ", ")
}
