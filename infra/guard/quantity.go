package guard

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

var quantityForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`)

var suffixes = map[string]float64{
	"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
}

// quantity is a Kubernetes quantity in thousandths, rounded up as the API server does it. The rarer forms, with an exponent, are refused.
func quantity(s string) (int64, error) {
	parts := quantityForm.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%q", s)
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q", s)
	}
	// Half a thousandth less: 0.1 is no binary fraction, and its product must not be rounded up by a whole one.
	thousandths := math.Ceil(number*suffixes[parts[2]]*1000 - 0.5e-3)
	if thousandths > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q", s)
	}
	return int64(thousandths), nil
}
