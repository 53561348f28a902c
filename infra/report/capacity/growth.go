package capacity

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Basis is where a rate of growth comes from.
type Basis struct {
	// Peaks is how many measured peaks it was fitted to; 0 when it was not measured. First and Last are their days.
	Peaks       int
	First, Last time.Time
	// Highest is the highest measured peak, in requests a second, and On its day.
	Highest int
	On      time.Time
	// Assumed says that nobody gave a figure.
	Assumed bool
}

// String says it in an aside: "an assumption", "measured from 27 peaks, 2026-05-01 to 2026-11-01", or nothing for a figure that was given.
func (b Basis) String() string {
	switch {
	case b.Peaks > 0:
		return fmt.Sprintf("measured from %d peaks, %s to %s", b.Peaks, date(b.First), date(b.Last))
	case b.Assumed:
		return "an assumption until peaks are measured"
	default:
		return ""
	}
}

// Bounds of what growth can be read from: a line through two points fits always, and weekdays are not growth.
const (
	leastPeaks = 3
	leastDays  = 28
)

// header is the first line of a file of peaks.
var header = []string{"day", "requests per second"}

// Measure reads peaks, CSV of a day such as 2026-11-21 and its highest requests a second, in the order of the days, and gives the growth in a month: of the curve
// of constant growth that comes nearest to all of them (least squares of the logarithms). The declared peak is what grows by it; see Figures.Sentence for a
// measured peak above that.
func Measure(from io.Reader) (growth float64, basis Basis, err error) {
	reader := csv.NewReader(from)
	reader.FieldsPerRecord, reader.TrimLeadingSpace = len(header), true
	rows, err := reader.ReadAll()
	if err != nil {
		return 0, Basis{}, fmt.Errorf("peaks: %w; wanted lines such as 2026-11-21,2480", err)
	}
	if len(rows) == 0 || rows[0][0] != header[0] || rows[0][1] != header[1] {
		return 0, Basis{}, fmt.Errorf("peaks: the first line must be %q", strings.Join(header, ","))
	}
	var errs []error
	var days, logs []float64
	for i, row := range rows[1:] {
		on, dayErr := time.Parse(time.DateOnly, row[0])
		peak, peakErr := strconv.Atoi(row[1])
		switch {
		case dayErr != nil:
			errs = append(errs, fmt.Errorf("peaks: line %d: %q is not a day such as 2026-11-21", i+2, row[0]))
		case peakErr != nil || peak < 1:
			errs = append(errs, fmt.Errorf("peaks: line %d: %q is not requests a second, a whole number above zero", i+2, row[1]))
		case basis.Peaks > 0 && !on.After(basis.Last):
			errs = append(errs, fmt.Errorf("peaks: line %d: %s does not follow %s; give each day once, in order", i+2, row[0], date(basis.Last)))
		default:
			if basis.Peaks++; basis.Peaks == 1 {
				basis.First = on
			}
			if basis.Last = on; peak > basis.Highest {
				basis.Highest, basis.On = peak, on
			}
			days, logs = append(days, on.Sub(basis.First).Hours()/24), append(logs, math.Log(float64(peak)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return 0, Basis{}, err
	}
	if basis.Peaks < leastPeaks || days[len(days)-1] < leastDays {
		return 0, Basis{}, fmt.Errorf("peaks: %d over %.0f days say nothing about growth; give %d or more over %d days or more", basis.Peaks, basis.Last.Sub(basis.First).Hours()/24, leastPeaks, leastDays)
	}
	return math.Expm1(slope(days, logs) * month / float64(24*time.Hour)), basis, nil
}

// slope is that of the straight line nearest to the points.
func slope(x, y []float64) float64 {
	var meanX, meanY float64
	for i := range x {
		meanX += x[i] / float64(len(x))
		meanY += y[i] / float64(len(y))
	}
	var above, below float64
	for i := range x {
		above += (x[i] - meanX) * (y[i] - meanY)
		below += (x[i] - meanX) * (x[i] - meanX)
	}
	return above / below
}
