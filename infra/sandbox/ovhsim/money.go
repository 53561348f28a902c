package ovhsim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// money is an amount in 1e-8 euros, as OVH's catalogues count (priceInUcents).
type money int64

// cents rounds to what a bill can hold.
func (m money) cents() money {
	const cent = 1_000_000
	return (m + cent/2) / cent * cent
}

// price renders order.Price.
func price(m money) object {
	m = m.cents()
	return object{
		"currencyCode": "EUR", "priceInUcents": int64(m), "text": fmt.Sprintf("%.2f €", float64(m)/1e8), "value": float64(m/1_000_000) / 100,
	}
}

// object is a JSON object of an answer.
type object = map[string]any

// sortedKeys lists a map's keys in order, so that answers and effects never depend on Go's map order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
