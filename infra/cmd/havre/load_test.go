package main

import (
	"strings"
	"testing"
)

// TestLoadRefusals: nothing is sent before it is clear what, and never to readers' own stack by a slip.
func TestLoadRefusals(t *testing.T) {
	for line, want := range map[string]string{
		"prod --steady 10":                    "stack prod serves readers; load another, or give --readers-too",
		"nowhere --steady 10":                 "stack nowhere: not described;",
		"staging":                             "give one of --steady, --step and --recorded",
		"staging --steady 10 --step 1:2":      "give one of --steady, --step and --recorded",
		"staging --step fifty":                `step "fifty": wanted two rates a second, such as 50:1000`,
		"staging --step 10:5":                 "step from 10 to 5: wanted one upwards",
		"staging --steady -1":                 "rate -1: wanted more than 0 and at most 100000 requests a second",
		"staging --recorded /nonexistent.log": "record: open /nonexistent.log: no such file or directory",
	} {
		root := command()
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"load"}, strings.Fields(line)...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("havre load %s: error %v, want %s", line, err, want)
		}
	}
}
