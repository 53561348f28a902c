package ovhmetal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// reply answers the calls of a method and a path itself; the simulator does not see them. With holds, only those whose body has that text.
type reply struct {
	method, path, holds string // path is a regular expression over path and query
	status              int
	body                string
}

// told is a way to the simulator on which some answers are our own.
type told []reply

func (list told) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	for _, a := range list {
		if a.method == r.Method && regexp.MustCompile(a.path).MatchString(r.URL.RequestURI()) && strings.Contains(string(body), a.holds) {
			return &http.Response{
				StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
			}, nil
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

const no = `{"class":"Client::BadRequest","message":"no"}`

// hears runs a stack over such a way.
func (w *world) hears(t *testing.T, s *stack, config map[string]any, preview bool, replies ...reply) error {
	t.Helper()
	server, err := w.process(&wire{next: told(replies)}, config)
	if err != nil {
		return err
	}
	return s.run(server, preview).err
}

// says expects an error in full, with ORDER, CART and SERVICE for what the account has.
func (w *world) says(t *testing.T, err error, want string) {
	t.Helper()
	var pairs []string
	if b := w.sim.Books(); len(b.Orders) > 0 {
		id := fmt.Sprint(b.Orders[len(b.Orders)-1].ID)
		pairs = append(pairs, id, "ORDER")
	}
	for _, v := range w.sim.Services() {
		if chosen(v) {
			pairs = append(pairs, v.Name, "SERVICE", v.Address.String(), "ADDRESS")
		}
	}
	if carts, err := w.client(t).Carts(t.Context(), ""); err == nil {
		for _, c := range carts {
			pairs = append(pairs, c, "CART")
		}
	}
	pairs = append(pairs, "https://www.ovh.com/cgi-bin/order/displayOrder.cgi?orderId=", "URL/")
	got := "no error"
	if err != nil {
		got = regexp.MustCompile(` \(query id [^)]*\)`).ReplaceAllString(strings.NewReplacer(pairs...).Replace(err.Error()), "")
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCartMessages holds what is said when an offer or a cart is not what it should be. Nothing is bought.
func TestCartMessages(t *testing.T) {
	catalogue := func(families, addons string) reply {
		return reply{"GET", "/order/catalog/public/baremetalServers", "", 200, `{"locale":{"currencyCode":"EUR","taxRate":20},"plans":[{"planCode":"24rise03","addonFamilies":[` + families +
			`],"pricings":[{"capacities":["renew"],"mode":"default","price":1}]}],"addons":[` + addons + `]}`}
	}
	needs := func(label, allowed string) reply {
		return reply{"GET", "/requiredConfiguration", "", 200, `[{"label":"` + label + `","required":true,"allowedValues":[` + allowed + `]}]`}
	}
	bill := func(value, currency string) reply {
		return reply{"GET", "/checkout", "", 200, `{"prices":{"withoutTax":{"currencyCode":"` + currency + `","value":` + value + `}}}`}
	}
	for name, c := range map[string]struct {
		change  map[string]any
		replies []reply
		want    string
	}{
		"duration":     {map[string]any{"duration": "P1Y"}, nil, `duration "P1Y" is not in months; write P1M or P12M`},
		"no default":   {nil, []reply{catalogue(`{"name":"memory","addons":["a","b"],"mandatory":true}`, "")}, "plan 24rise03 needs an option of family memory and has no default for it; choose one of a, b"},
		"no price":     {nil, []reply{catalogue(`{"name":"memory","addons":["a"],"mandatory":true,"default":"a"}`, "")}, `option "a" has no price in catalogue baremetalServers`},
		"strange need": {nil, []reply{needs("shoe_size", `"40","41"`)}, `n-server: plan 24rise03 needs a value for "shoe_size", which this provider does not know; it allows 40, 41`},
		"other system": {nil, []reply{needs("dedicated_os", `"beos"`)}, `n-server: plan 24rise03 takes no dedicated_os "none_64.en"; it allows beos`},
		"dearer":       {nil, []reply{bill("200", "EUR")}, "n-server: nothing was bought: the first bill would be 200.00 EUR, the catalogue says 183.98; read a new preview first"},
		"dollars":      {nil, []reply{bill("183.98", "USD")}, "n-server: nothing was bought: the bill is in USD, the catalogue in EUR"},
		"refused":      {nil, []reply{{"POST", "/checkout", "", 403, `{"class":"Client::Forbidden","message":"You are not allowed"}`}}, "n-server: nothing was bought: POST /order/cart/CART/checkout: 403 Client::Forbidden: You are not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := begin(t, serverNode("n", "", c.change)...)
			err := w.hears(t, s, nil, false, c.replies...)
			got := "no error"
			if err != nil {
				got = regexp.MustCompile(`cart/[0-9a-f-]{36}`).ReplaceAllString(strings.TrimPrefix(err.Error(), "n-server: "), "cart/CART")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if n := w.sim.Books().Count; n != 0 || len(s.state) != 0 {
				t.Errorf("%d orders, state %v", n, s.state)
			}
		})
	}
}

// TestPaymentMessages holds what is said of an order that is placed and not paid, and that nobody pays more than was promised.
func TestPaymentMessages(t *testing.T) {
	noMeans := reply{"GET", "/me/payment/method", "", 200, "[]"}
	head := func(price string) reply {
		return reply{"GET", `/me/order/\d+$`, "", 200, `{"orderId":1,"date":"2026-08-04T20:05:02+02:00","expirationDate":"2026-08-18T20:05:02+02:00","url":"URL","priceWithTax":{"currencyCode":"EUR","value":` +
			price + `},"priceWithoutTax":{"currencyCode":"EUR","value":` + price + `}}`}
	}
	const accept = "; to take it, accept the price in the stack's offer, read a new preview and run again; else it lapses on 2026-08-18, and a run after that orders anew"
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.with(t, s, nil, true).err)
	w.says(t, w.hears(t, s, nil, false, noMeans),
		"n-server: n-server: order ORDER is not paid: the account has no preferred means of payment; set one in OVH's manager and run again, or pay at URL/ORDER")
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/pay$", "", 400, no}), "n-server: n-server: order ORDER is not paid: POST /me/order/ORDER/pay: 400 Client::BadRequest: no")
	w.says(t, w.hears(t, s, nil, false, head("500")), "n-server: n-server: order ORDER was placed but is not paid: it costs 500.00 EUR, the catalogue says 183.98"+accept)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.PriceChanged, Path: "/order/catalog/public/{product}", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.says(t, w.hears(t, s, nil, false, head("190")), "n-server: n-server: order ORDER was placed but is not paid: it costs 190.00 EUR, the preview promised 183.98"+accept)
	w.sim.ClearFaults()
	empty := reply{"GET", "/order/catalog/public/", "", 200, `{"plans":[]}`}
	w.says(t, w.hears(t, s, nil, false, empty),
		"n-server: n-server: order ORDER is not paid: plan 24rise03 has no price in the catalogue any more to compare it with; pay it at URL/ORDER or let it lapse")
	if got := w.sim.Books().SpentWithoutTax; got != 0 {
		t.Errorf("%.2f was spent", got)
	}
	w.says(t, w.hears(t, s, nil, false, reply{"GET", "/status$", "", 200, `"notPaid"`}),
		"n-server: n-server: order ORDER is still not paid; run again, and pay it in OVH's manager if that does not help")
	must(t, w.up(t, s).err)
	expectOrders(t, w, 1, 183.98)

	// A payment that never arrived is made by the run after the next, however little patience each has.
	w, s = begin(t, serverNode("n", "", nil)...)
	hurry := map[string]any{"waitMinutes": 0.00001}
	w.says(t, w.hears(t, s, hurry, false, reply{"POST", "/pay$", "", 500, no}),
		"n-server: n-server: order ORDER is ordered, not paid yet (order ORDER notPaid: validating doing, Your order has been registered); run pulumi up again, it looks and pays if nobody has")
	if got := s.state["n-server"].Outputs["phase"].StringValue(); got != "claimed" {
		t.Errorf("phase %q, want claimed", got)
	}
	for range 20 {
		if w.with(t, s, hurry, false).err == nil {
			break
		}
	}
	must(t, w.up(t, s).err)
	expectOrders(t, w, 1, 183.98)

	w, s = begin(t, vpsNode("n", nil)...)
	w.says(t, w.hears(t, s, nil, false, noMeans),
		"n-server: n-server: order ORDER is not paid: the account has no preferred means of payment; set one in OVH's manager and run again, or pay at URL/ORDER")
	must(t, w.sim.SetOrderStatus(w.sim.Books().Orders[0].ID, "cancelled"))
	w.says(t, w.with(t, s, nil, false).err, "n-server: n-server: order ORDER was cancelled; run pulumi up again to order anew")
}

// TestUnsureMessages holds what is said while nobody knows whether an order was placed.
func TestUnsureMessages(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.DropAfter, Method: "POST", Path: "/order/cart/{cartId}/checkout", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.says(t, w.hears(t, s, nil, false, reply{"GET", `/me/order\?`, "", 403, `{"errorCode":"NOT_GRANTED_CALL","message":"This call has not been granted"}`}),
		"n-server: n-server: whether an order was placed cannot be seen now, and nothing is bought before it can: run again: GET /me/order: the credential may not do this "+
			"(This call has not been granted); grant the access rule GET /me/order to the consumer key, or make a new key when it expired (havre ovh rules prints all that is needed)")
	if want := "the checkout was not answered, looking for its order"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
	w.says(t, w.hears(t, s, nil, false, reply{"GET", `/me/order\?`, "", 200, "[]"}),
		"n-server: n-server: cart CART was checked out, but its order does not show yet; nothing is bought again: run again in a few minutes")
	w.says(t, s.destroy(mustProcess(t, w)), "n-server: "+s.state["n-server"].Outputs["mark"].StringValue()+" may have placed an order: run pulumi up first, so that it is found")
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/order/cart$", "#", 400, no}), "n-server: n-server: order ORDER is placed but not claimed yet; run again: POST /order/cart: 400 Client::BadRequest: no")
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/tag$", "havre.mark", 400, no}),
		"n-server: n-server: SERVICE is delivered but not marked as ours yet; run again: POST /v2/iam/resource/urn:v1:eu:resource:dedicatedServer:SERVICE/tag: 400 Client::BadRequest: no")
	must(t, w.up(t, s).err)
	expectOrders(t, w, 1, 183.98)
}

// TestDeliveryMessages holds what is said while OVH delivers, and when it delivers something else.
func TestDeliveryMessages(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	w.sim.SetDelays(ovhsim.Delays{Delivery: 1 << 40})
	server, err := w.process(&wire{}, nil)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		defer stop()
		w.eventually(t, "the order is being delivered", func() bool { return w.said(" delivering: ") })
	})
	err = s.runIn(ctx, server, false).err
	wait.Wait()
	w.says(t, err, "n-server: n-server: interrupted while order ORDER was being delivered; run pulumi up again, it goes on from here")
	w.says(t, s.destroy(mustProcess(t, w)), "n-server: order ORDER is delivering and cannot be given up before it is delivered; run pulumi up when it is, then remove it, or withdraw the order in OVH's manager")
	preview := s.clone()
	must(t, w.with(t, preview, nil, true).err)
	if want := fmt.Sprintf("goes on with order %d, which stands at %q", w.sim.Books().Orders[0].ID, "delivering"); !w.said(want) {
		t.Errorf("the preview does not say %q", want)
	}

	w, s = begin(t, serverNode("n", "", nil)...)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.OtherDatacentre, Method: "POST", Path: "/order/cart/{cartId}/checkout", Times: 1}); err != nil {
		t.Fatal(err)
	}
	err = w.with(t, s, nil, false).err
	where := s.state["n-server"].Outputs["deliveredDatacenter"].StringValue()
	w.says(t, err, "n-server: n-server: OVH delivered SERVICE in "+where+", but rbx was ordered; accept it by changing the node's data centre to gra, or retire the node and complain to OVH's support")
}

// TestServiceMessages holds what is said of services that are there.
func TestServiceMessages(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service, mark := s.state["n-server"].ID, s.state["n-server"].Outputs["mark"].StringValue()
	said := func(want string) {
		t.Helper()
		if !w.said(want) {
			t.Errorf("it does not say %q", want)
		}
	}
	spoil := func(key, value string) *stack {
		c := s.clone()
		e := c.state["n-server"]
		e.Outputs = e.Outputs.Copy()
		e.Outputs[resource.PropertyKey(key)] = resource.NewProperty(value)
		e.Outputs["serviceName"], e.Outputs["phase"], e.Incomplete = resource.NewProperty(""), resource.NewProperty("delivering"), true
		c.state["n-server"] = e
		return c
	}
	w.says(t, w.with(t, spoil("orderId", "x"), nil, false).err, `n-server: order id "x" of the state is not a number`)
	w.says(t, spoil("orderId", "x").destroy(mustProcess(t, w)), `n-server: order id "x" of the state is not a number`)
	w.says(t, w.with(t, spoil("since", "x"), nil, false).err, `n-server: since "x" of the state is not a time: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`)
	imported := &stack{program: s.program, state: map[string]entry{"n-server": {ID: "order/x"}}}
	_, err := imported.refresh(mustProcess(t, w))
	w.says(t, err, `n-server: order id "x" is not a number; import with order/ and the number that OVH's manager shows`)

	s.program = serverNode("n", "", map[string]any{"renewal": false})
	must(t, w.up(t, s).err)
	said(service + " is not renewed automatically any more: OVH suspends it on " + w.view(t, service).Expires.Format(time.DateOnly) + " unless somebody pays for it by hand")
	s.program = serverNode("n", "", nil)
	must(t, w.up(t, s).err)
	said(service + " is renewed automatically from now on")

	must(t, w.sim.SetService(service, "hacked"))
	_, err = s.refresh(mustProcess(t, w))
	must(t, err)
	said("OVH reports " + service + " as hacked: isolate it and install it anew under a higher generation")
	must(t, w.sim.SetService(service, "error"))
	must(t, w.sim.SetService(service, "moved:sbg"))
	_, err = s.refresh(mustProcess(t, w))
	must(t, err)
	said("OVH reports " + service + " as error: look at it in OVH's manager, or boot it into the rescue system with Rescue")
	said(service + " stands in " + s.state["n-server"].Outputs["deliveredDatacenter"].StringValue() + " now, not in rbx8: OVH moved it; set the node's data centre to what is true when you accept that")
	must(t, w.sim.SetService(service, "ok"))

	// Two services carry one mark, and one carries somebody else's.
	w2, both := begin(t, append(serverNode("a", "", nil), serverNode("b", "", nil)...)...)
	must(t, w2.up(t, both).err)
	first, second := both.state["a-server"], both.state["b-server"]
	c := w2.client(t)
	found, err := c.Service(t.Context(), order.Dedicated, second.ID)
	must(t, err)
	must(t, c.Tag(t.Context(), found.IAM.URN, "havre.mark", first.Outputs["mark"].StringValue()))
	lost := &stack{program: serverNode("a", "", nil), state: map[string]entry{}}
	err = w2.with(t, lost, nil, true).err
	if want := "a-server: a-server: " + first.ID + " and " + second.ID + " all carry the mark " + first.Outputs["mark"].StringValue() + "; take it off those that are not this node"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	err = both.destroy(mustProcess(t, w2))
	if want := "b-server: " + second.ID + " now belongs to " + first.Outputs["mark"].StringValue() + ", which is not this node; remove it from the state with pulumi state delete"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	must(t, s.destroy(mustProcess(t, w)))
	said(service + " ends at its expiry on ")
	if mark == "" {
		t.Error("the state kept no mark")
	}
	w3, gone := begin(t, vpsNode("n", nil)...)
	must(t, w3.up(t, gone).err)
	name := gone.state["n-server"].ID
	must(t, w3.sim.SetService(name, "ended"))
	_, err = gone.refresh(mustProcess(t, w3))
	must(t, err)
	if want := name + " does not exist any more: the next run would order a new one"; !w3.said(want) {
		t.Errorf("it does not say %q", want)
	}
}

// TestInstallationMessages holds what is said while disks are written.
func TestInstallationMessages(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/reinstall$", "", 400, no}),
		"n-installation: installation of SERVICE did not start; run again: POST /dedicated/server/SERVICE/reinstall: 400 Client::BadRequest: no")
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	w.says(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err, "n-installation: SERVICE is still being installed (Preparing installation); run again, it goes on from here")
	w.sim.SetDelays(ovhsim.Delays{})
	w.sim.Advance(1 << 41)
	w.key = func(string) (string, error) { return "", errors.New("connection refused") }
	w.says(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err,
		"n-installation: host key of SERVICE at ADDRESS: connection refused; see whether its sshd answers, then run again")
	w.key = nil
	must(t, w.with(t, s, nil, false).err)
	service := s.state["n-server"].ID

	lost := &stack{program: s.program, state: map[string]entry{}}
	must(t, w.up(t, lost).err)
	if want := service + " holds generation 1 already: adopted, nothing is installed"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
	lost.state = map[string]entry{}
	w.key = func(string) (string, error) { return "ssh-ed25519 another", nil }
	w.says(t, w.with(t, lost, nil, false).err, "n-installation: SERVICE at ADDRESS shows a host key that is not the one it had after its installation: somebody may stand in between; "+
		"compare it in OVH's console before taking the tag havre.hostkey off")
	w.key = nil

	base := s.program[1]
	s.program = []declared{s.program[0], {base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["hostname"] = resource.NewProperty("other")
		return in
	}}}
	must(t, w.up(t, s).err)
	if want := service + " keeps its disks: key and host name of the installation take effect at the next generation"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
	s.program = secondGeneration(s.program)
	must(t, w.with(t, s, nil, true).err)
	if want := "WIPES the disks of " + service + ": generation 2 replaces 1"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}

	w, s = begin(t, vpsNode("n", nil)...)
	w.says(t, w.hears(t, s, nil, false, reply{"GET", "/images/available/", "", 200, `{"name":"Slackware"}`}),
		`n-installation: image "Debian 12" is not offered for SERVICE; it has Slackware, Slackware, Slackware`)
	w, s = begin(t, vpsNode("n", nil)...)
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	w.says(t, w.with(t, s, map[string]any{"waitMinutes": 0.01}, false).err, "n-installation: SERVICE is still busy with deliverVm; run again later")

	w, s = begin(t, serverNode("n", "", nil)...)
	w.says(t, w.hears(t, s, nil, false, reply{"GET", `/task/\d+$`, "", 200, `{"taskId":1,"function":"reinstallServer","status":"ovhError","comment":"the disk is gone"}`},
		reply{"GET", "/install/status", "", 200, `{"progress":[{"comment":"Partitioning disk","error":"no disk","status":"error"}]}`}),
		"n-installation: installation of SERVICE ended as ovhError: the disk is gone Partitioning disk: no disk; run again to install it anew")
}

// TestNetworkMessages holds what is said of interfaces, addresses and boots.
func TestNetworkMessages(t *testing.T) {
	slow := map[string]any{"waitMinutes": 0.005}
	w, s := begin(t, serverNode("n", "pn-1000001", nil)...)
	w.says(t, w.hears(t, s, nil, false, reply{"GET", "/virtualNetworkInterface", "", 200, "[]"}), "n-vrack: SERVICE has no interface for a vRack; order it with a vrack option, or leave the vRack out")
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	w.says(t, w.with(t, s, slow, false).err, "n-vrack: SERVICE is not plugged into pn-1000001 yet; run again")
	w.sim.SetDelays(ovhsim.Delays{})
	w.sim.Advance(1 << 41)
	must(t, w.with(t, s, nil, false).err)
	other := &stack{program: serverNode("n", "pn-1000002", nil), state: map[string]entry{}}
	w.says(t, w.with(t, other, nil, false).err, "n-vrack: SERVICE is plugged into pn-1000001, not into pn-1000002; detach it in OVH's manager first, because traffic of another network may be on it")
	_, err := (&stack{program: s.program[2:], state: map[string]entry{"n-vrack": {ID: "pn-1"}}}).refresh(mustProcess(t, w))
	w.says(t, err, `n-vrack: id "pn-1" is not a vRack and a server; write it like pn-1000001/ns3123456.ip-5-196-1.eu`)
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	server, err := w.process(&wire{}, slow)
	must(t, err)
	w.says(t, s.destroy(server), "n-vrack: SERVICE is still plugged into pn-1000001; run again")

	w, s = begin(t, append(serverNode("n", "", nil), beside("Aggregation", "n-aggregation", "serviceName", "serviceName", nil))...)
	w.says(t, w.hears(t, s, nil, false, reply{"GET", "mode=public$", "", 200, "[]"}), "n-aggregation: SERVICE has 0 public and 1 private interfaces: an aggregation needs one of each; leave it out")
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	w.says(t, w.with(t, s, slow, false).err, "n-aggregation: the interfaces of SERVICE are not changed yet; run again")

	w, s = begin(t, append(serverNode("n", "", nil), beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "n.example.net"}))...)
	w.says(t, w.hears(t, s, slow, false, reply{"POST", "/reverse$", "", 400, no}),
		"n-reverse: reverse of ADDRESS: POST /ip/ADDRESS%2F32/reverse: 400 Client::BadRequest: no; n.example.net must resolve to ADDRESS first")
	s.program = []declared{{"ReverseDNS", "n-reverse", func(map[string]resource.PropertyMap) resource.PropertyMap {
		return props(map[string]any{"address": "web1", "reverse": "n.example.net"})
	}}}
	w.says(t, w.with(t, s, nil, true).err, `n-reverse: address "web1" is not an IPv4 address; give that of a server or VPS`)

	w, s = begin(t, append(serverNode("n", "", nil), wall(nil, "deny ipv4"))...)
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/rule$", "", 400, no}), "n-firewall: edge firewall of ADDRESS: POST /ip/ADDRESS%2F32/firewall/ADDRESS/rule: 400 Client::BadRequest: no")
	w.says(t, w.hears(t, s, slow, false, reply{"GET", "/firewall/[0-9.]+$", "", 200, `{"enabled":false,"state":"enableFirewallPending"}`}), "n-firewall: edge firewall of ADDRESS is not as wanted yet; run again")

	key := func(text string) []declared {
		return []declared{{"SSHKey", "ops-key", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"keyName": "ops", "publicKey": text})
		}}}
	}
	w, s = begin(t, key(publicKey)...)
	must(t, w.up(t, s).err)
	w.says(t, w.with(t, &stack{program: key(strings.Replace(publicKey, "Under", "Above", 1)), state: map[string]entry{}}, nil, false).err,
		`ops-key: the account has another key under the name "ops"; choose another name or import it`)
}

// TestRescueMessages holds what is said when a service does not boot as it is told.
func TestRescueMessages(t *testing.T) {
	slow := map[string]any{"waitMinutes": 0.005}
	const prefix = "n-server: n-server: SERVICE is delivered but not marked as ours yet; run again: "
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	s.program = serverNode("n", "", map[string]any{"rescue": true})
	w.says(t, w.hears(t, s, nil, false, reply{"GET", "/boot", "", 200, "[]"}), prefix+"SERVICE has no boot entry of type rescue; look at it in OVH's manager")
	w.says(t, w.hears(t, s, nil, false, reply{"POST", "/reboot$", "", 400, no}), prefix+"SERVICE did not begin to reboot; run again: POST /dedicated/server/SERVICE/reboot: 400 Client::BadRequest: no")
	w.says(t, w.hears(t, s, nil, false, reply{"GET", `/task/\d+$`, "", 200, `{"taskId":1,"function":"hardReboot","status":"ovhError","comment":"no power"}`}),
		prefix+"the reboot of SERVICE ended as ovhError: no power; run again")
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	w.says(t, w.with(t, s, slow, false).err, prefix+"SERVICE is still rebooting; run again")

	w, s = begin(t, vpsNode("n", nil)...)
	must(t, w.up(t, s).err)
	w.sim.SetDelays(ovhsim.Delays{Task: 1 << 40})
	s.program = vpsNode("n", map[string]any{"rescue": true})
	w.says(t, w.with(t, s, slow, false).err, prefix+"SERVICE is still busy with setNetboot and does not reboot before that ends; run again")
}

// TestCacheMessages runs where nothing can be written.
func TestCacheMessages(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	w.cache = filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(w.cache, nil, 0o600))
	w.says(t, w.with(t, s, nil, true).err, "n-server: promised price: mkdir "+w.cache+": not a directory; set OVHMETAL_CACHE to a folder that can be written")
	err := w.with(t, s, nil, false).err
	want := "n-server: n-server: lock of havre:havre/test/n-server:"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), ": mkdir "+w.cache+": not a directory; set OVHMETAL_CACHE to a folder that can be written") {
		t.Errorf("got %v", err)
	}
	w.says(t, w.with(t, s, map[string]any{"budget": "much"}, true).err, `ovhmetal:budget: amount "much" is not a decimal below 10 million with at most eight decimals; write it like 164.99`)
}
