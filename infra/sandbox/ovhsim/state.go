package ovhsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// stateFile is the one document in Options.Dir.
const stateFile = "ovhsim.json"

// stateVersion is raised when an older document can no longer be read.
const stateVersion = 1

// state is everything that survives a restart.
type state struct {
	Version   int                 `json:"version"`
	Sequence  int64               `json:"sequence"`
	Carts     map[string]*cart    `json:"carts"`
	Orders    map[int64]*order    `json:"orders"`
	Services  map[int64]*service  `json:"services"`
	Tasks     map[int64]*task     `json:"tasks"`
	SSHKeys   map[string]string   `json:"sshKeys"`
	Mails     []mail              `json:"mails"`
	Ledger    []Entry             `json:"ledger"`
	Advanced  time.Duration       `json:"advanced"`
	Skew      time.Duration       `json:"skew"`
	SoldOut   map[string]bool     `json:"soldOut"`   // planCode@datacenter, or planCode@ for everywhere
	PriceRise int                 `json:"priceRise"` // per cent over the catalogue
	Databases map[string]*managed `json:"databases"` // by id
	Removing  map[string]struct{} `json:"removing"`  // hosts whose service ended and that may still run
}

// cart is an order in the making.
type cart struct {
	ID          string    `json:"id"`
	Description string    `json:"description"`
	Created     time.Time `json:"created"`
	Expire      time.Time `json:"expire"`
	Subsidiary  string    `json:"subsidiary"`
	Assigned    bool      `json:"assigned"`
	ReadOnly    bool      `json:"readOnly"`
	Items       []*item   `json:"items"`
}

// item is one line of a cart: a plan, or an option of one.
type item struct {
	ID             int64           `json:"id"`
	Parent         int64           `json:"parent"`
	Product        string          `json:"product"`
	PlanCode       string          `json:"planCode"`
	Duration       string          `json:"duration"`
	PricingMode    string          `json:"pricingMode"`
	Quantity       int             `json:"quantity"`
	Configurations []configuration `json:"configurations"`
}

// configuration is one label of an item.
type configuration struct {
	ID    int64  `json:"id"`
	Label string `json:"label"`
	Value string `json:"value"`
}

// configured gives the value of a label, empty when there is none.
func (i *item) configured(label string) string {
	for _, c := range i.Configurations {
		if c.Label == label {
			return c.Value
		}
	}
	return ""
}

// moment is one state of an order and when it began.
type moment struct {
	Status string    `json:"status"`
	At     time.Time `json:"at"`
}

// order is what a checkout made.
type order struct {
	ID           int64     `json:"id"`
	CartID       string    `json:"cartId"`
	Created      time.Time `json:"created"`
	History      []moment  `json:"history"`
	Next         time.Time `json:"next"` // when the next step is due; zero when it waits for somebody
	Details      []*detail `json:"details"`
	WithoutTax   money     `json:"withoutTax"`
	Tax          money     `json:"tax"`
	Reduction    money     `json:"reduction"`
	Paid         bool      `json:"paid"`
	PaidAt       time.Time `json:"paidAt"`
	PaymentBegun bool      `json:"paymentBegun"`
	Waived       bool      `json:"waived"`
	Retracted    bool      `json:"retracted"`
	CancelLater  bool      `json:"cancelLater"`
	DeliverIn    string    `json:"deliverIn"` // another data centre than the one ordered
}

func (o *order) status() string { return o.History[len(o.History)-1].Status }

func (o *order) move(status string, at time.Time) {
	o.History = append(o.History, moment{status, at})
}

func (o *order) withTax() money { return o.WithoutTax + o.Tax }

// detail is one row of an order.
type detail struct {
	ID          int64  `json:"id"`
	Item        int64  `json:"item"`
	Unit        int    `json:"unit"`   // which of an item's quantity
	Option      bool   `json:"option"` // belongs to an option of the plan
	Description string `json:"description"`
	Type        string `json:"type"`
	Domain      string `json:"domain"`
	Price       money  `json:"price"`
	Original    money  `json:"original"`
	Cancelled   bool   `json:"cancelled"`
	Plan        item   `json:"plan"`
	Service     int64  `json:"service"`
}

// service is something the account holds.
type service struct {
	ID          int64      `json:"id"`
	Kind        string     `json:"kind"`
	Name        string     `json:"name"`
	UUID        string     `json:"uuid"`
	Plan        string     `json:"plan"`
	PlanName    string     `json:"planName"`
	Product     string     `json:"product"`
	Options     []string   `json:"options"`
	Datacenter  string     `json:"datacenter"`
	Region      string     `json:"region"` // of an instance
	Address     netip.Addr `json:"address"`
	Order       int64      `json:"order"`
	Created     time.Time  `json:"created"`
	Expires     time.Time  `json:"expires"`
	Ended       time.Time  `json:"ended"`     // zero while it lives
	Suspended   bool       `json:"suspended"` // answers 460
	Monthly     money      `json:"monthly"`
	DisplayName string     `json:"displayName"`
	FormerName  string     `json:"formerName"` // what IAM still shows until NamedAt and a little
	NamedAt     time.Time  `json:"namedAt"`
	Description string     `json:"description"`

	Tags     map[string]string `json:"tags"`
	Renew    renew             `json:"renew"`
	Token    string            `json:"token"` // of a termination that waits for its confirmation
	Health   string            `json:"health"`
	BootID   int64             `json:"bootId"`
	Settings map[string]any    `json:"settings"` // writable properties without an effect here

	OS        string            `json:"os"`
	Layout    []string          `json:"layout"`
	Installed *Machine          `json:"installed"`
	Interface *vni              `json:"interface"`
	Reverse   map[string]string `json:"reverse"`
	Firewall  *firewall         `json:"firewall"`
}

type renew struct {
	Automatic          bool  `json:"automatic"`
	DeleteAtExpiration bool  `json:"deleteAtExpiration"`
	Forced             bool  `json:"forced"`
	ManualPayment      *bool `json:"manualPayment"`
	Period             *int  `json:"period"`
}

// vni is the private side of a dedicated server.
type vni struct {
	UUID      string `json:"uuid"`
	Public    string `json:"public"`
	Vrack     string `json:"vrack"`
	Mode      string `json:"mode"`
	Name      string `json:"name"`
	Disabled  bool   `json:"disabled"`
	Aggregate bool   `json:"aggregate"`
}

type firewall struct {
	Enabled bool           `json:"enabled"`
	Rules   []firewallRule `json:"rules"`
}

type firewallRule struct {
	Sequence        int       `json:"sequence"`
	Action          string    `json:"action"`
	Protocol        string    `json:"protocol"`
	Source          string    `json:"source"`
	SourcePort      *int      `json:"sourcePort"`
	DestinationPort *int      `json:"destinationPort"`
	TCPOption       string    `json:"tcpOption"`
	Fragments       *bool     `json:"fragments"`
	Created         time.Time `json:"created"`
}

// task is work in progress on a service. Its state words are those of a dedicated server; other products translate.
type task struct {
	ID       int64     `json:"id"`
	Service  int64     `json:"service"`
	Kind     string    `json:"kind"`
	Function string    `json:"function"`
	Status   string    `json:"status"` // init, doing, done, error
	Comment  string    `json:"comment"`
	Started  time.Time `json:"started"`
	Updated  time.Time `json:"updated"`
	Next     time.Time `json:"next"`
	Machine  *Machine  `json:"machine"`
	Attach   string    `json:"attach"` // the vRack to plug into, for that function
	Target   string    `json:"target"`
}

func (t *task) open() bool { return t.Status == "init" || t.Status == "doing" }

type mail struct {
	ID      int64     `json:"id"`
	Date    time.Time `json:"date"`
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
}

// Entry is one movement of money: it leaves one account and enters another. Amounts are in 1e-8 euros and include tax.
type Entry struct {
	At     time.Time `json:"at"`
	Order  int64     `json:"order"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Amount int64     `json:"amount"`
	NoTax  int64     `json:"withoutTax"`
}

func newState() *state {
	return &state{
		Version: stateVersion, Sequence: 1000,
		Carts: map[string]*cart{}, Orders: map[int64]*order{}, Services: map[int64]*service{}, Tasks: map[int64]*task{},
		SSHKeys: map[string]string{}, SoldOut: map[string]bool{}, Removing: map[string]struct{}{},
		Databases: map[string]*managed{},
	}
}

// id hands out the next number. One sequence for everything keeps the identities of a run stable and never equal by accident.
func (s *state) id() int64 {
	s.Sequence++
	return s.Sequence
}

// uuid makes a stable identity from the sequence.
func (s *state) uuid(kind string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, s.id()))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

// loadState reads the document of a folder, or begins one.
func loadState(dir string) (*state, error) {
	if dir == "" {
		return newState(), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("simulator state: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("simulator state: %w", err)
	}
	st := newState()
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("simulator state %s: %w; remove the file to begin with an empty account", filepath.Join(dir, stateFile), err)
	}
	if st.Version != stateVersion {
		return nil, fmt.Errorf("simulator state %s: version %d, wanted %d; remove the file to begin with an empty account",
			filepath.Join(dir, stateFile), st.Version, stateVersion)
	}
	return st, nil
}

// save writes the document so that a crash at any moment leaves the old or the new one, whole.
func (s *state) save(dir string) error {
	if dir == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	path := filepath.Join(dir, stateFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("simulator state: %w", err)
	}
	return nil
}
