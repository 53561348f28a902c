package order

import (
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount in 1e-8 of its currency, the unit of OVH's catalogue ("priceInUcents"). It never passes through floating point: 0.1 + 0.2 must
// not push an order over its budget. Amounts are net of taxes unless a name says otherwise.
type Money int64

// Cent is the smallest amount that is ever billed.
const Cent Money = 1_000_000

// ParseMoney reads a plain decimal such as "164.99": no sign, no exponent, at most eight decimals, below 10 million.
func ParseMoney(s string) (Money, error) {
	whole, frac, dot := strings.Cut(s, ".")
	if whole == "" || len(whole) > 7 || len(frac) > 8 || dot && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, fmt.Errorf("amount %q is not a decimal below 10 million with at most eight decimals; write it like 164.99", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 8-len(frac)), 10, 64)
	return Money(n), err
}

// String prints two decimals, or as many more as the amount has.
func (m Money) String() string {
	sign := ""
	n := uint64(m)
	if m < 0 {
		sign, n = "-", uint64(-m)
	}
	frac := fmt.Sprintf("%08d", n%1e8)
	for len(frac) > 2 && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	return fmt.Sprintf("%s%d.%s", sign, n/1e8, frac)
}

// Share is so many per cent of an amount, exact to a hundredth of a cent.
func (m Money) Share(percent Money) Money { return (m / 1e4) * (percent / 1e4) / 100 }

// Cents rounds half up to what is billed. Amounts are not negative where this is used.
func (m Money) Cents() Money { return (m + Cent/2) / Cent * Cent }

// UnmarshalJSON reads OVH's "value": a JSON number, possibly with an exponent or with the noise of a float printed by somebody else.
func (m *Money) UnmarshalJSON(raw []byte) error {
	s := strings.Trim(string(raw), `"`)
	if s == "null" {
		return nil
	}
	sign := Money(1)
	digits := s
	if strings.HasPrefix(s, "-") {
		sign, digits = -1, s[1:]
	}
	if v, err := ParseMoney(digits); err == nil {
		*m = sign * v
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f > 1e7 || f < -1e7 {
		return fmt.Errorf("amount %q is not a number below 10 million", s)
	}
	// Nothing is billed below a cent, so what a float adds beyond a hundredth of one is noise.
	v, err := strconv.ParseInt(strconv.FormatFloat(f*1e4, 'f', 0, 64), 10, 64)
	*m = Money(v) * 1e4
	return err
}

// MarshalJSON prints the decimal.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// Quote is what an offer costs, net of taxes.
type Quote struct {
	Monthly    Money    // each renewal
	Setup      Money    // once
	First      Money    // first bill: first month and set-up, less promotions
	Currency   string   // "EUR"
	Promotions []string // names of the promotions that lower the first bill
}

// Limit is the most that may be paid. Nil means no bound.
type Limit struct {
	Monthly *Money // promised by the stack, for this service
	Setup   *Money // promised by the stack, for this service
	First   *Money // shown by the preview, for this service
	Budget  *Money // for the whole stack, a month
	Others  Money  // what the rest of the stack costs a month
}

// Check refuses a price above a limit; everything that is too much is in the error.
func (l Limit) Check(p Quote) error {
	var over []string
	exceeds := func(what string, got Money, most *Money, mend string) {
		if most != nil && got > *most {
			over = append(over, fmt.Sprintf("%s %s %s is above %s %s; %s", what, got, p.Currency, most, p.Currency, mend))
		}
	}
	exceeds("a month costs", p.Monthly, l.Monthly, "accept it in the stack's offer or choose another plan")
	exceeds("the set-up fee", p.Setup, l.Setup, "accept it in the stack's offer or wait for a promotion")
	exceeds("the first bill", p.First, l.First, "this is more than the preview promised: read a new preview first")
	if l.Budget != nil && p.Monthly+l.Others > *l.Budget {
		over = append(over, fmt.Sprintf("the stack's new total %s %s a month is above its budget of %s %s; raise the budget or order less",
			p.Monthly+l.Others, p.Currency, *l.Budget, p.Currency))
	}
	if len(over) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was bought: %s", strings.Join(over, "; "))
}
