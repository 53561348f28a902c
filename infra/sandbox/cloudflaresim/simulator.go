// Package cloudflaresim is a stand-in for Cloudflare's API: zones, DNS records, load balancers with their pools and monitors, cache rules, in Cloudflare's
// envelope and with its error codes. Pools are as healthy as their origins really are: its monitors look at them, and a name leads where Cloudflare would lead it (Resolve). What a reader would get wrong: it answers over TLS only, as Cloudflare's clients insist on it, with an authority of its own that
// the caller must put into its trusted certificates (CAPEM).
package cloudflaresim

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Account is the identity of the one account.
const Account = "0123456789abcdef0123456789abcdef"

// DefaultToken opens the simulator when Options.Token is empty. Its form is that of a real one, which some clients check.
const DefaultToken = "sandbox-cloudflare-token-0123456789abcdef"

// DefaultZones are the zones of the project's stacks.
func DefaultZones() []string {
	return []string{"havre.example", "havre-staging.example", "havre.test", "havre-staging.test"}
}

// Options configure a Simulator.
type Options struct {
	// Dir holds the state and the authority; created when missing. Empty keeps both in memory.
	Dir string
	// Token is the bearer token that opens the API; DefaultToken when empty.
	Token string
	// Zones exist from the start; DefaultZones when nil.
	Zones []string
	// Names are the hosts and addresses of the certificate; 127.0.0.1, ::1 and localhost when nil.
	Names []string
	// Clock gives the time; nil is time.Now.
	Clock func() time.Time
	// Probe looks at an origin for a monitor; nil is [Probe], over the network.
	Probe func(context.Context, Check) error
}

// Simulator is one account at Cloudflare. Its methods may be called from many goroutines.
type Simulator struct {
	options   Options
	authority *authority
	leaf      tls.Certificate

	mu       sync.Mutex
	st       *state
	faults   []*Fault
	requests []Request
	count    int64 // of requests since the start
	// What the last checks found, by pool and address: why an origin is down, "" when it is not. It is not kept: a check finds it again.
	health  map[string]string
	drained map[string]bool
	turns   int
}

// object is a JSON object as Cloudflare shows it. Things are kept that way, because a client must get back what it sent.
type object = map[string]any

// state is what survives a restart.
type state struct {
	Sequence int64                        `json:"sequence"`
	Zones    map[string]string            `json:"zones"`   // name by identity
	Records  map[string]map[string]object `json:"records"` // by zone and identity
	Things   map[string]map[string]object `json:"things"`  // pools, monitors, load balancers and rulesets by collection and identity
}

// stateFile stands in Options.Dir.
const stateFile = "cloudflaresim.json"

// New opens the state in Options.Dir or begins one, and makes the certificate. It fails when the folder cannot be read or written.
func New(o Options) (*Simulator, error) {
	if o.Token == "" {
		o.Token = DefaultToken
	}
	if o.Zones == nil {
		o.Zones = DefaultZones()
	}
	if o.Names == nil {
		o.Names = []string{"127.0.0.1", "::1", "localhost"}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Probe == nil {
		o.Probe = Probe
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("simulator state: %w", err)
		}
	}
	a, err := loadAuthority(o.Dir)
	if err != nil {
		return nil, err
	}
	leaf, err := a.leaf(o.Names)
	if err != nil {
		return nil, err
	}
	s := &Simulator{options: o, authority: a, leaf: leaf, health: map[string]string{}, drained: map[string]bool{}}
	s.st, err = loadState(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Zones {
		s.st.Zones[ZoneID(name)] = name
		if s.st.Records[ZoneID(name)] == nil {
			s.st.Records[ZoneID(name)] = map[string]object{}
		}
	}
	return s, s.keep()
}

func loadState(dir string) (*state, error) {
	st := &state{Zones: map[string]string{}, Records: map[string]map[string]object{}, Things: map[string]map[string]object{}}
	if dir == "" {
		return st, nil
	}
	path := filepath.Join(dir, stateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(text, st)
	}
	if err != nil {
		return nil, fmt.Errorf("simulator state %s: %w; remove the file to begin with empty zones", path, err)
	}
	return st, nil
}

func (s *Simulator) keep() error {
	if s.options.Dir == "" {
		return nil
	}
	text, err := json.Marshal(s.st)
	if err == nil {
		err = write(filepath.Join(s.options.Dir, stateFile), text)
	}
	if err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	return nil
}

// ZoneID is the identity of a zone here; it never changes for a name.
func ZoneID(name string) string { return identity("zone " + name) }

// identity makes 32 hexadecimal digits.
func identity(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

func (s *Simulator) newID(kind string) string {
	s.st.Sequence++
	return identity(fmt.Sprintf("%s %d", kind, s.st.Sequence))
}

// TLSConfig serves the certificate for Options.Names.
func (s *Simulator) TLSConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{s.leaf}, MinVersion: tls.VersionTLS12}
}

// CAPEM is the authority's certificate, for the callers' trusted certificates.
func (s *Simulator) CAPEM() []byte { return slices.Clone(s.authority.text) }

// Record is a DNS record as tests look at it.
type Record struct {
	Zone    string `json:"zone"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content string `json:"content"`
	TTL     int    `json:"ttl"` // seconds; 1 is automatic
	Proxied bool   `json:"proxied"`
	Comment string `json:"comment"`
}

// Records lists every record, sorted by zone, name, type and content.
func (s *Simulator) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Record{}
	for zone, records := range s.st.Records {
		for _, r := range records {
			out = append(out, Record{
				Zone: s.st.Zones[zone], Name: text(r, "name"), Type: text(r, "type"), Content: text(r, "content"), TTL: number(r, "ttl"),
				Proxied: r["proxied"] == true, Comment: text(r, "comment"),
			})
		}
	}
	slices.SortFunc(out, func(a, b Record) int {
		for _, x := range [][2]string{{a.Zone, b.Zone}, {a.Name, b.Name}, {a.Type, b.Type}} {
			if x[0] != x[1] {
				return compare(x[0], x[1])
			}
		}
		return compare(a.Content, b.Content)
	})
	return out
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func text(o object, key string) string {
	v, _ := o[key].(string)
	return v
}

// number reads an integer that came from JSON or from here.
func number(o object, key string) int {
	switch v := o[key].(type) {
	case float64:
		return int(v)
	case int:
		return v
	}
	return 0
}

// sorted lists things by creation, then identity.
func sorted(things map[string]object) []object {
	out := slices.Collect(maps.Values(things))
	slices.SortFunc(out, func(a, b object) int {
		if c := compare(text(a, "created_on"), text(b, "created_on")); c != 0 {
			return c
		}
		return compare(text(a, "id"), text(b, "id"))
	})
	return out
}
