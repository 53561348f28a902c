package cost

import (
	"strings"
	"testing"

	"havre/stacks"
)

// TestWhatIsPaidByTheHour: an afternoon's price is that of what ends with the stack, to the cent.
func TestWhatIsPaidByTheHour(t *testing.T) {
	for name, want := range map[string]string{
		"prod": "", "staging": "", "local": "",
		// 3 x 0.083 + 6 x 0.664 + 3 x 0.3712, and 176 / 730 of the database
		"load-test": "By the hour: 5.59 EUR an hour, and 27.94 EUR for an afternoon of 5 hours begun. A month is what it would cost if nobody ended it.",
	} {
		stack, err := stacks.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := stack.Plan()
		if err != nil {
			t.Fatal(err)
		}
		bill, err := Of(plan)
		if err != nil {
			t.Fatal(err)
		}
		if got := bill.Afternoon(); got != want || want != "" && !strings.HasSuffix(bill.Text(), want+"\n") {
			t.Errorf("%s: %q, want %q, at the end of the text too", name, got, want)
		}
	}
}
