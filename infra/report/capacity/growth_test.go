package capacity

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// peaks is a file of peaks that grow by rate a month, every seventh day.
func peaks(rate float64, weeks int) string {
	b := strings.Builder{}
	b.WriteString("day,requests per second\n")
	first := time.Date(2026, time.May, 4, 0, 0, 0, 0, time.UTC)
	for week := range weeks {
		on := first.AddDate(0, 0, 7*week)
		fmt.Fprintf(&b, "%s,%.0f\n", on.Format(time.DateOnly), 1_000_000*math.Pow(1+rate, float64(7*week)/(365.25/12)))
	}
	return b.String()
}

func TestMeasure(t *testing.T) {
	for _, rate := range []float64{0.05, 0, -0.02} {
		got, basis, err := Measure(strings.NewReader(peaks(rate, 27)))
		if err != nil || math.Abs(got-rate) > 1e-5 {
			t.Errorf("peaks that grow by %v a month: %v, %v", rate, got, err)
		}
		if basis.Peaks != 27 || date(basis.First) != "2026-05-04" || date(basis.Last) != "2026-11-02" {
			t.Errorf("basis %+v", basis)
		}
	}
	// Half of the weeks a tenth above the curve, half below it: what is between the two counts, not the last week.
	got, basis, err := Measure(strings.NewReader("day,requests per second\n2026-09-01,1100\n2026-09-08, 900\n2026-09-15,900\n2026-09-29,1100\n"))
	if err != nil || math.Abs(got) > 0.15 || basis.Highest != 1100 || date(basis.On) != "2026-09-01" {
		t.Errorf("peaks that go up and down: %v, %+v, %v", got, basis, err)
	}
	for text, want := range map[string]string{
		"":                                  `peaks: the first line must be "day,requests per second"`,
		"day,peak\n":                        `peaks: the first line must be "day,requests per second"`,
		"day,requests per second\n":         "peaks: 0 over 0 days say nothing about growth; give 3 or more over 28 days or more",
		"day,requests per second\na,b,c\n":  "peaks: record on line 2: wrong number of fields; wanted lines such as 2026-11-21,2480",
		"day,requests per second\nsoon,5\n": `peaks: line 2: "soon" is not a day such as 2026-11-21`,
		"day,requests per second\n2026-09-01,5\n2026-09-01,0\n2026-09-01,6\n": "peaks: line 3: \"0\" is not requests a second, a whole number above zero\n" +
			"peaks: line 4: 2026-09-01 does not follow 2026-09-01; give each day once, in order",
		"day,requests per second\n2026-09-01,5\n2026-09-02,6\n2026-09-03,7\n": "peaks: 3 over 2 days say nothing about growth; give 3 or more over 28 days or more",
		"day,requests per second\n2026-09-01,5\n2026-11-02,6\n":               "peaks: 2 over 62 days say nothing about growth; give 3 or more over 28 days or more",
	} {
		if _, _, err := Measure(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// TestTheSentenceSaysWhereGrowthComesFrom: the same figures, and who says so.
func TestTheSentenceSaysWhereGrowthComesFrom(t *testing.T) {
	growth, basis, err := Measure(strings.NewReader("day,requests per second\n2026-09-01,400\n2026-09-15,410\n2026-10-01,420\n2026-11-01,620\n"))
	if err != nil {
		t.Fatal(err)
	}
	flat, level, err := Measure(strings.NewReader("day,requests per second\n2026-09-01,400\n2026-09-15,400\n2026-10-01,400\n"))
	if err != nil {
		t.Fatal(err)
	}
	const order = " the peak's memory reaches the 80 % line with gra lost on 2027-08-26: order 2 more workers (gra, rbx) by 2027-08-23."
	for _, c := range []struct {
		args Args
		want string
	}{
		{Args{Growth: 0.1}, "At 10 % a month" + order},
		{Args{Growth: 0.1, Basis: Basis{Assumed: true}}, "At 10 % a month, an assumption until peaks are measured," + order},
		{Args{Growth: growth, Basis: basis}, "At 25 % a month, measured from 4 peaks, 2026-09-01 to 2026-11-01, the peak's memory reaches the 80 % line with gra lost on 2027-03-20: " +
			"order 2 more workers (gra, rbx) by 2027-03-17. On 2026-11-01 620 a second were measured, more than the 500 that the stack declares: raise Render.PeakPerSecond first."},
		{Args{Growth: flat, Basis: level}, "The peak does not grow (0 % a month, measured from 3 peaks, 2026-09-01 to 2026-10-01), so nothing has to be ordered."},
	} {
		c.args.Plan, c.args.Today = two(2, 2, 500), today
		f, err := Of(c.args)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Sentence(today); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}
