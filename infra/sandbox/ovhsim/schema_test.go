package ovhsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// schemaFolder holds OVH's own OpenAPI documents where they are at hand; the project does not ship them. Without it only the goldens hold the answers.
const schemaFolder = "../../../../shared/facts/ovh-openapi"

type schema struct {
	Ref        string             `json:"$ref"`
	AllOf      []*schema          `json:"allOf"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Nullable   bool               `json:"nullable"`
	Enum       []any              `json:"enum"`
	Items      *schema            `json:"items"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Additional json.RawMessage    `json:"additionalProperties"`
}

type body struct {
	Content map[string]struct {
		Schema *schema `json:"schema"`
	} `json:"content"`
}

type operation struct {
	Request   *body            `json:"requestBody"`
	Responses map[string]*body `json:"responses"`
}

// official is OVH's description of its API, joined from several documents.
type official struct {
	operations map[string]*operation // "get /me"
	schemas    []map[string]*schema  // each operation's references are looked up in its own document first
	document   map[string]int
}

var loadOfficial = sync.OnceValues(func() (*official, error) {
	o := &official{operations: map[string]*operation{}, document: map[string]int{}}
	for n, name := range []string{"baremetal", "ip", "me", "vps", "vrack"} {
		text, err := os.ReadFile(filepath.Join(schemaFolder, name+".json"))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var doc struct {
			Paths      map[string]map[string]*operation `json:"paths"`
			Components struct {
				Schemas map[string]*schema `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o.schemas = append(o.schemas, doc.Components.Schemas)
		for path, methods := range doc.Paths {
			for method, op := range methods {
				o.operations[method+" "+path] = op
				o.document[method+" "+path] = n
			}
		}
	}
	return o, nil
})

// checker holds one value against one schema and collects what is wrong.
type checker struct {
	schemas map[string]*schema
	whole   bool // every property must be there
	faults  []string
}

func (c *checker) fault(at, format string, args ...any) {
	c.faults = append(c.faults, at+": "+fmt.Sprintf(format, args...))
}

// formats are those the documents name and the simulator answers with.
var formats = map[string]func(string) bool{
	"date-time": func(s string) bool { _, err := time.Parse(time.RFC3339, s); return err == nil },
	"date":      func(s string) bool { _, err := time.Parse("2006-01-02", s); return err == nil },
	"uuid":      regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString,
	"ipv4":      func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
	"ip-block":  func(s string) bool { _, err := netip.ParsePrefix(s); return err == nil },
	"ipv4-block": func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Addr().Is4()
	},
	"mac-address": regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`).MatchString,
}

func (c *checker) check(s *schema, v any, at string, nullable bool) {
	nullable = nullable || s.Nullable
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		target := c.schemas[name]
		if target == nil {
			c.fault(at, "schema %s is not in the document", name)
			return
		}
		c.check(target, v, at, nullable)
		return
	}
	if len(s.AllOf) > 0 {
		for _, part := range s.AllOf {
			c.check(part, v, at, nullable)
		}
		return
	}
	if v == nil {
		if !nullable {
			c.fault(at, "null, but the schema does not allow it")
		}
		return
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		c.fault(at, "%v is not in the enumeration", v)
	}
	switch s.Type {
	case "string":
		text, ok := v.(string)
		if !ok {
			c.fault(at, "%T, wanted a string", v)
		} else if valid := formats[s.Format]; valid != nil && !valid(text) {
			c.fault(at, "%q is not of format %s", text, s.Format)
		}
	case "integer", "number":
		n, ok := v.(float64)
		if !ok || s.Type == "integer" && n != math.Trunc(n) {
			c.fault(at, "%v, wanted %s", v, s.Type)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			c.fault(at, "%T, wanted a boolean", v)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			c.fault(at, "%T, wanted an array", v)
			return
		}
		for n, x := range list {
			c.check(s.Items, x, fmt.Sprintf("%s[%d]", at, n), false)
		}
	case "object":
		c.object(s, v, at)
	default:
		c.fault(at, "the schema has type %q, which the checker does not know", s.Type)
	}
}

func (c *checker) object(s *schema, v any, at string) {
	fields, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "%T, wanted an object", v)
		return
	}
	for _, key := range sortedKeys(fields) {
		property := s.Properties[key]
		if property == nil {
			if len(s.Additional) == 0 {
				c.fault(at+"."+key, "not in the schema")
			}
			continue
		}
		c.check(property, fields[key], at+"."+key, false)
	}
	for _, key := range sortedKeys(s.Properties) {
		if _, there := fields[key]; !there && (c.whole || slices.Contains(s.Required, key)) {
			c.fault(at+"."+key, "missing")
		}
	}
}

// hold checks one exchange against the official description; nil when the description is not at hand or does not cover the route.
func (o *official) hold(method, route string, request []byte, status int, answer []byte) []string {
	key := strings.ToLower(method) + " " + route
	op := o.operations[key]
	if op == nil || status != http.StatusOK {
		return nil
	}
	var faults []string
	run := func(b *body, text []byte, whole bool, what string) {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", what, err))
			return
		}
		if b == nil || b.Content["application/json"].Schema == nil {
			if v != nil {
				faults = append(faults, what+": wanted null, because the route answers nothing")
			}
			return
		}
		c := &checker{schemas: o.schemas[o.document[key]], whole: whole}
		c.check(b.Content["application/json"].Schema, v, what, false)
		faults = append(faults, c.faults...)
	}
	if op.Request != nil && len(request) > 0 {
		run(op.Request, request, false, "request")
	}
	run(op.Responses["200"], answer, true, "answer")
	return faults
}

// inspector is a transport that holds every exchange of a test against the official description.
type inspector struct {
	t       *testing.T
	next    http.RoundTripper
	lenient bool // the test spoils answers on purpose
}

func (i *inspector) RoundTrip(r *http.Request) (*http.Response, error) {
	var request []byte
	if r.Body != nil {
		request, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(request))
	}
	answer, err := i.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	o, err := loadOfficial()
	if err != nil {
		i.t.Error(err)
	}
	if o != nil && !i.lenient {
		path, _ := version(r.URL.EscapedPath())
		_, _, pattern := find(r.Method, path)
		for _, fault := range o.hold(r.Method, pattern, request, answer.StatusCode, text) {
			i.t.Errorf("%s %s: %s", r.Method, pattern, fault)
		}
	}
	return answer, nil
}

func TestCheckerFindsFaults(t *testing.T) {
	schemas := map[string]*schema{
		"color": {Type: "string", Enum: []any{"red", "green"}},
		"thing": {Type: "object", Properties: map[string]*schema{
			"id": {Type: "integer"}, "color": {AllOf: []*schema{{Ref: "#/components/schemas/color"}}, Nullable: true}, "on": {Type: "string", Format: "date"},
			"list": {Type: "array", Items: &schema{Type: "boolean"}},
		}},
	}
	for _, x := range []struct{ text, want string }{
		{`{"id":1,"color":null,"on":"2026-01-02","list":[true]}`, ""},
		{`{"id":1.5,"color":"red","on":"2026-01-02","list":[]}`, "answer.id: 1.5, wanted integer"},
		{`{"id":1,"color":"blue","on":"2026-01-02","list":[]}`, "answer.color: blue is not in the enumeration"},
		{`{"id":1,"color":"red","on":"yesterday","list":[]}`, `answer.on: "yesterday" is not of format date`},
		{`{"id":null,"color":"red","on":"2026-01-02","list":[]}`, "answer.id: null, but the schema does not allow it"},
		{`{"id":1,"color":"red","on":"2026-01-02","list":[1]}`, "answer.list[0]: float64, wanted a boolean"},
		{`{"id":1,"color":"red","on":"2026-01-02"}`, "answer.list: missing"},
		{`{"id":1,"color":"red","on":"2026-01-02","list":[],"more":1}`, "answer.more: not in the schema"},
	} {
		var v any
		if err := json.Unmarshal([]byte(x.text), &v); err != nil {
			t.Fatal(err)
		}
		c := &checker{schemas: schemas, whole: true}
		c.check(schemas["thing"], v, "answer", false)
		if got := strings.Join(c.faults, "; "); got != x.want {
			t.Errorf("%s: got %q, wanted %q", x.text, got, x.want)
		}
	}
}
