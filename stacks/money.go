package stacks

import (
	"fmt"
	"math"
	"strings"
)

// unitsPerCent is OVH's scale: its catalogues give prices as integers of 1e-8 of the currency.
const unitsPerCent = 1_000_000

// Money is an amount without tax. It is an integer, because sums of prices are compared with a budget to the cent.
type Money struct {
	// Units counts 1e-8 of the currency, as OVH's catalogues do (priceInUcents).
	Units int64
	// Currency is the ISO 4217 code, for example "EUR".
	Currency string
}

// EUR makes an amount of euros and cents: EUR(149, 99) is 149.99 EUR.
func EUR(euros, cents int64) Money {
	return Money{Units: (euros*100 + cents) * unitsPerCent, Currency: "EUR"}
}

// String prints the amount with two decimals, or with as many as it needs: "149.99 EUR".
func (m Money) String() string {
	sign, units := "", uint64(m.Units)
	if m.Units < 0 {
		sign, units = "-", -units
	}
	fraction := strings.TrimRight(fmt.Sprintf("%08d", units%100_000_000), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%s %s", sign, units/100_000_000, fraction, m.Currency), " ")
}

// Add returns the sum. It fails when the currencies differ or the sum does not fit.
func (m Money) Add(other Money) (Money, error) {
	if m.Currency != other.Currency {
		return Money{}, fmt.Errorf("money: cannot add %s to %s: the currencies differ", other, m)
	}
	if (other.Units > 0 && m.Units > math.MaxInt64-other.Units) || (other.Units < 0 && m.Units < math.MinInt64-other.Units) {
		return Money{}, fmt.Errorf("money: %s and %s are too large to add", m, other)
	}
	return Money{Units: m.Units + other.Units, Currency: m.Currency}, nil
}

// Negative reports whether the amount is below zero.
func (m Money) Negative() bool { return m.Units < 0 }

// MoreThan reports whether m is larger than other, both in the same currency.
func (m Money) MoreThan(other Money) bool {
	return m.Currency == other.Currency && m.Units > other.Units
}

// Decimal prints the amount alone, with a point and at least two digits after it: "149.99".
func (m Money) Decimal() string {
	amount, _, _ := strings.Cut(m.String(), " ")
	return amount
}
