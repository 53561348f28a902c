package guard

import "testing"

func TestQuantity(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1000, "250m": 250, "0.1": 100, "1.5": 1500, "0.0005": 1, "64Mi": 64 << 20 * 1000, "1Gi": 1 << 30 * 1000, "128M": 128e9, "2k": 2e6,
	} {
		if got, err := quantity(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1e3", "much", "1 Gi", "1Pi", ".5", "99999999Ti"} {
		if got, err := quantity(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
