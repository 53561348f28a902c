package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Seconds are written with three digits: more says nothing.
type Seconds float64

// MarshalJSON writes a number.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(s), 'f', 3, 64)), nil
}

// Record is what an auditor is given of one drill.
type Record struct {
	Drill string `json:"drill"`
	What  string `json:"what"`
	// Began and Ended are in UTC.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Bound says in words what had to hold; Passed whether it did, and Why what did not.
	Bound  string   `json:"bound"`
	Passed bool     `json:"passed"`
	Why    []string `json:"why,omitempty"`
	// Steps are what was done and seen.
	Steps   []Step  `json:"steps"`
	Readers Readers `json:"readers"`
	API     API     `json:"api"`
	// ServiceBack is how long after the fault the last request failed; Recovery how long after it the platform was whole.
	ServiceBack Seconds `json:"serviceBackSeconds"`
	Recovery    Seconds `json:"recoverySeconds"`
	Machine     Machine `json:"machine"`
	// Where names what was drilled: the stack, its version of Kubernetes and the commit of its description.
	Where Where `json:"where"`
}

// Where is what was drilled.
type Where struct {
	Stack      string `json:"stack"`
	Kubernetes string `json:"kubernetes"`
	Commit     string `json:"commit,omitempty"`
}

// Step is one line of a drill's protocol.
type Step struct {
	// After is the time since the drill began.
	After Seconds `json:"afterSeconds"`
	Did   string  `json:"did"`
}

// API is what a client of the Kubernetes API saw that writes once a second.
type API struct {
	Writes     int     `json:"writes"`
	Failed     int     `json:"failed"`
	LongestGap Seconds `json:"longestGapSeconds"`
}

// save writes the record under a name of its own, which no later drill takes.
func (r Record) save(folder string) (string, error) {
	path := filepath.Join(folder, r.Began.UTC().Format("2006-01-02T15-04-05Z")+"-"+r.Drill+".json")
	return path, writeJSON(path, r)
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Figure is one drill's line in build/drills.json.
type Figure struct {
	Drill       string  `json:"drill"`
	Passed      bool    `json:"passed"`
	Requests    int     `json:"requests"`
	Failed      int     `json:"failed"`
	LongestGap  Seconds `json:"longestGapSeconds"`
	ServiceBack Seconds `json:"serviceBackSeconds"`
	Recovery    Seconds `json:"recoverySeconds"`
	APIGap      Seconds `json:"apiLongestGapSeconds"`
	// Record is the path of the whole record, from the checkout.
	Record string `json:"record"`
}

func (r Record) figure(path string) Figure {
	return Figure{
		Drill: r.Drill, Passed: r.Passed, Requests: r.Readers.Requests, Failed: r.Readers.Failed, LongestGap: r.Readers.LongestGap,
		ServiceBack: r.ServiceBack, Recovery: r.Recovery, APIGap: r.API.LongestGap, Record: path,
	}
}

// table prints what a run of drills has shown; the last line counts them.
func table(out io.Writer, figures []Figure) error {
	passed := 0
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "drill\trequests\tfailed\tlongest gap, s\tserved again, s\twhole again, s\tAPI's longest gap, s\tverdict\t")
	for _, f := range figures {
		verdict := "failed"
		if f.Passed {
			passed++
			verdict = "passed"
		}
		seconds := func(s Seconds) string { return strconv.FormatFloat(float64(s), 'f', 1, 64) }
		fmt.Fprintln(t, strings.Join([]string{
			f.Drill, strconv.Itoa(f.Requests), strconv.Itoa(f.Failed), seconds(f.LongestGap), seconds(f.ServiceBack), seconds(f.Recovery), seconds(f.APIGap), verdict, "",
		}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\ndrills: %d passed, %d failed\n", passed, len(figures)-passed)
	return err
}
