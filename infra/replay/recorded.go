package replay

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// request is one line of a record.
type request struct {
	at   time.Duration // after the first
	path string
}

// mostLines bounds a record: each is kept in memory with its answer's figures.
const mostLines = 5_000_000

// Recorded is what readers asked for once, from Caddy's access log in its JSON format: one line a request, with "ts" in seconds and "request" with "method" and
// "uri". Speed 2 sends it twice as fast. Only GETs are sent; anything else would change something.
//
// Who a reader is does not leave the record: names and ids are replaced by numbers, equal ones by equal numbers, so that what hit the cache then hits it now.
func Recorded(log io.Reader, speed float64) (Pattern, error) {
	if !(speed > 0 && speed <= 1000) {
		return Pattern{}, fmt.Errorf("speed %g: wanted more than 0 and at most 1000", speed)
	}
	var list []struct {
		at   float64
		path string
	}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	nobody := pseudonyms{}
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var line struct {
			TS      *float64 `json:"ts"`
			Request struct{ Method, URI string }
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return Pattern{}, fmt.Errorf("record, line %d: %w; wanted Caddy's access log in JSON", n, err)
		}
		if line.TS == nil || !strings.HasPrefix(line.Request.URI, "/") {
			return Pattern{}, fmt.Errorf("record, line %d: no time or no path; wanted Caddy's access log in JSON, with ts as a number and request.uri", n)
		}
		if line.Request.Method != "" && line.Request.Method != http.MethodGet {
			continue
		}
		path, err := nobody.path(line.Request.URI)
		if err != nil {
			return Pattern{}, fmt.Errorf("record, line %d: %w", n, err)
		}
		list = append(list, struct {
			at   float64
			path string
		}{*line.TS, path})
		if len(list) > mostLines {
			return Pattern{}, fmt.Errorf("record: more than %d requests; cut it", mostLines)
		}
	}
	if err := lines.Err(); err != nil {
		return Pattern{}, fmt.Errorf("record: %w", err)
	}
	if len(list) == 0 {
		return Pattern{}, errors.New("record: no GET in it; wanted Caddy's access log in JSON")
	}
	// A log is written when answers end, not when requests come.
	slices.SortStableFunc(list, func(a, b struct {
		at   float64
		path string
	}) int {
		if a.at < b.at {
			return -1
		}
		if a.at > b.at {
			return 1
		}
		return 0
	})
	var p Pattern
	for _, line := range list {
		after := (line.at - list[0].at) / speed
		if math.IsNaN(after) || after > (24*time.Hour).Seconds() {
			return Pattern{}, errors.New("record: longer than a day; cut it")
		}
		p.recorded = append(p.recorded, request{time.Duration(after * float64(time.Second)), line.path})
	}
	p.length = p.recorded[len(p.recorded)-1].at
	p.Name = fmt.Sprintf("%d recorded requests in %s", len(list), p.length.Round(time.Millisecond))
	p.Parts = []Part{{"recorded", 0, p.length + time.Nanosecond}}
	return p, nil
}

// pseudonyms are the numbers that stand for what readers are called.
type pseudonyms map[string]int

// personal are the parameters of a picture that say who its reader is.
var personal = []string{"name", "reader"}

// path replaces what is personal in a request's path.
func (p pseudonyms) path(uri string) (string, error) {
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return "", errors.New("its path is not one of a URL") // the path itself names a person
	}
	query := u.Query()
	for _, key := range personal {
		for i, value := range query[key] {
			n, known := p[key+"="+value]
			if !known {
				n = len(p) + 1
				p[key+"="+value] = n
			}
			query[key][i] = fmt.Sprintf("Reader %d", n)
			if key == "reader" {
				query[key][i] = fmt.Sprintf("r-%d", n)
			}
		}
	}
	u.RawQuery = query.Encode()
	return u.RequestURI(), nil
}
