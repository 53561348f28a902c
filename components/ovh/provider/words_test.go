package provider

import (
	"testing"

	"havre/components/ovh/order"
)

// TestPreviewInWords: what a person reads of prices and stock in a preview.
func TestPreviewInWords(t *testing.T) {
	for availability, want := range map[string]string{
		"1H-high":     "in stock, delivery promised within 1 hour (1H-high)",
		"1H-low":      "few left in stock, delivery promised within 1 hour (1H-low)",
		"72H":         "delivery promised within 72 hours (72H)",
		"available":   "in stock",
		"unavailable": "OVH says of its stock: unavailable",
	} {
		if got := delivery(availability); got != want {
			t.Errorf("%s: got %s, want %s", availability, got, want)
		}
	}
	offer := offer{plan: "24adv03-v1", datacenter: "gra", options: []string{"ram-64g", "bandwidth-3000"}, tax: money(t, "20")}
	offer.quote = order.Quote{Currency: "EUR", Monthly: money(t, "149.99"), Setup: money(t, "149.99"), First: money(t, "149.99"), Promotions: []string{"24adv03-v1: no set-up fee"}}
	if got, want := offer.show("1H-high"), "orders 24adv03-v1 in gra with ram-64g, bandwidth-3000: 149.99 EUR a month, 149.99 once, first bill 149.99 (net of taxes); "+
		"promotions: 24adv03-v1: no set-up fee; with 20 % tax the first bill is 179.99; in stock, delivery promised within 1 hour (1H-high)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var list news
	for _, n := range []struct{ name, monthly, setup string }{
		{"rbx-control-1", "8.49", "0"}, {"gra-worker-1", "149.99", "149.99"}, {"gra-control-1", "8.49", "0"}, {"sbg-control-1", "8.49", "0"}, {"gra-data-1", "149.99", "91.99"},
	} {
		list.add(n.name, money(t, n.monthly), money(t, n.setup))
	}
	if got, want := list.String(), "rbx-control-1, gra-control-1 and sbg-control-1 8.49 a month each; gra-worker-1 149.99 a month and 149.99 once; "+
		"gra-data-1 149.99 a month and 91.99 once"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func money(t *testing.T, text string) order.Money {
	t.Helper()
	m, err := order.ParseMoney(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
