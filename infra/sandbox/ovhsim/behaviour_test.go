package ovhsim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovh/go-ovh/ovh"
)

func TestCartRefusals(t *testing.T) {
	item := func(plan string, more ...any) map[string]any {
		m := map[string]any{"planCode": plan, "duration": "P1M", "pricingMode": "default", "quantity": 1}
		for n := 0; n < len(more); n += 2 {
			m[more[n].(string)] = more[n+1]
		}
		return m
	}
	setting := func(label, value string) map[string]any { return map[string]any{"label": label, "value": value} }
	for _, x := range []struct {
		name   string
		method string
		path   string // after the cart, %d is the item
		body   any
		status int
		text   string
	}{
		{"plan", "POST", "/eco", item("24nothing"), 400, "Plan code not found 24nothing"},
		{"plan of another catalogue", "POST", "/eco", item("21adv03"), 400, "Plan code not found 21adv03"},
		{"duration", "POST", "/eco", item("24adv03-v1", "duration", "P3M"), 400, "Pricing mode default with duration P3M is not available for plan 24adv03-v1"},
		{"quantity", "POST", "/eco", item("24adv03-v1", "quantity", 11), 400, "Quantity 11 is not allowed for plan 24adv03-v1"},
		{"product", "POST", "/nas", item("24adv03-v1"), 404, "Got an invalid (or empty) URL"},
		{"unknown property", "POST", "/eco", item("24adv03-v1", "colour", "red"), 400, `unknown field "colour"`},
		{"option of another plan", "POST", "/eco/options", item("ram-64g-ecc-3200-24rise", "itemId", -1), 400, "Option ram-64g-ecc-3200-24rise is not available for plan 24adv03-v1"},
		{"option without its item", "POST", "/eco/options", item("bandwidth-3000-adv-gen3", "itemId", 1), 404, "Item 1 not found in cart"},
		{"label", "POST", "/item/%d/configuration", setting("colour", "red"), 400, "Custom field colour is not available for product 24adv03-v1"},
		{"value", "POST", "/item/%d/configuration", setting("dedicated_datacenter", "par"), 400, "Value par of custom field dedicated_datacenter is not allowed: bhs, fra, gra, lon, rbx, sbg, waw"},
		{"region too early", "POST", "/item/%d/configuration", setting("region", "europe"), 400, "Custom field region needs dedicated_datacenter first for product 24adv03-v1"},
		{"nothing configured", "GET", "/checkout", nil, 400, "Custom field dedicated_datacenter is mandatory for product 24adv03-v1\n"},
		{"item", "GET", "/item/1", nil, 404, "Item 1 not found in cart"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.watch.lenient = true // requests are wrong on purpose
			var cart struct {
				ID string `json:"cartId"`
			}
			b.call("POST", "/order/cart", map[string]any{"ovhSubsidiary": "FR"}, &cart)
			b.call("POST", "/order/cart/"+cart.ID+"/assign", nil, nil)
			var got struct {
				ID int64 `json:"itemId"`
			}
			b.call("POST", "/order/cart/"+cart.ID+"/eco", item("24adv03-v1"), &got)
			if m, ok := x.body.(map[string]any); ok && m["itemId"] == -1 {
				m["itemId"] = got.ID
			}
			path := x.path
			if strings.Contains(path, "%d") {
				path = fmt.Sprintf(path, got.ID)
			}
			b.refused(x.method, "/order/cart/"+cart.ID+path, x.body, x.status, x.text)
		})
	}
}

func TestCheckoutRefusals(t *testing.T) {
	b := newBench(t, Options{})
	b.refused("POST", "/order/cart", map[string]any{"ovhSubsidiary": "fr"}, 400, "invalid ovhSubsidiary")
	b.refused("GET", "/order/cart/none", nil, 404, "Invalid Cart ID")

	less := advance
	less.options = advance.options[1:]
	b.refused("GET", "/order/cart/"+b.fill(less, "")+"/checkout", nil, 400, "An option of family memory is mandatory for product 24adv03-v1")
	more := advance
	more.options = append([]string{"ram-128g-on-die-ecc-3600-24adv03-v1"}, advance.options...)
	b.refused("GET", "/order/cart/"+b.fill(more, "")+"/checkout", nil, 400, "Options of family memory are exclusive for product 24adv03-v1")

	b.sim.SetStock("24adv03-v1", "rbx", false)
	b.refused("POST", "/order/cart/"+b.fill(advance, "")+"/checkout", map[string]any{}, 400, "24adv03-v1 is not available in rbx")
	var stock []struct {
		Datacenters []struct{ Datacenter, Availability string }
	}
	b.call("GET", "/dedicated/server/datacenter/availabilities?planCode=24adv03-v1&datacenters=rbx", nil, &stock)
	if got := stock[0].Datacenters[0]; got.Availability != "unavailable" {
		t.Errorf("availability of a sold out plan: %+v", got)
	}
	b.sim.SetStock("24adv03-v1", "rbx", true)

	cart := b.fill(advance, "twice")
	b.call("POST", "/order/cart/"+cart+"/checkout", map[string]any{}, nil)
	b.refused("POST", "/order/cart/"+cart+"/checkout", map[string]any{}, 400, "read only: it has already been validated")
	if books := b.sim.Books(); books.Count != 1 {
		t.Errorf("orders: %d, wanted 1", books.Count)
	}
}

func TestCredentials(t *testing.T) {
	b := newBench(t, Options{})
	client := func(key, secret, consumer string) *ovh.Client {
		c, err := ovh.NewClient(b.server.URL+"/1.0", key, secret, consumer)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, x := range []struct {
		client *ovh.Client
		want   string
	}{
		{client("other", ApplicationSecret, ConsumerKey), `(status code 403): "This application key is invalid"`},
		{client(ApplicationKey, ApplicationSecret, "other"), `(status code 403): "This credential is not valid"`},
		{client(ApplicationKey, "other", ConsumerKey), `(status code 400): "Invalid signature"`},
	} {
		if err := x.client.Get("/me", nil); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("got %v, wanted %s", err, x.want)
		}
	}
	b.call("GET", "/me", nil, nil)
	b.sim.SetSkew(10 * time.Minute) // the client asked for the time before
	b.refused("GET", "/me", nil, 400, "Query out of time")
	if err := client(ApplicationKey, ApplicationSecret, ConsumerKey).Get("/me", nil); err != nil {
		t.Errorf("a client that asks for the time first: %v", err)
	}
	b.sim.SetSkew(0)
	b.sim.SetCredential("", "", []Rule{{"GET", "/me/order/*"}, {"GET", "/vps"}})
	b.call("GET", "/vps", nil, nil)
	b.refused("GET", "/me/order", nil, 403, "This call has not been granted")
	b.refused("POST", "/order/cart", nil, 403, "This call has not been granted")
	b.sim.SetCredential("expired", "", nil)
	b.refused("GET", "/vps", nil, 403, "This credential is not valid")
	if err := b.client.GetUnAuth("/order/catalog/public/vrack?ovhSubsidiary=FR", nil); err != nil {
		t.Errorf("an open route: %v", err)
	}
}

func TestVersions(t *testing.T) {
	b := newBench(t, Options{})
	for _, path := range []string{"/me", "/v1/me", "/v2/iam/resource"} {
		b.call("GET", path, nil, nil)
	}
	b.refused("GET", "/v2/me", nil, 404, "Got an invalid (or empty) URL")
}

// TestFaults makes one checkout under each fault and looks at what the client saw and what the account holds.
func TestFaults(t *testing.T) {
	const path = "/order/cart/{cartId}/checkout"
	for _, x := range []struct {
		fault  Fault
		want   string // of the error; empty for success
		orders int
	}{
		{Fault{Kind: Refuse, Message: "no"}, `(status code 400): Client::BadRequest: "no"`, 0},
		{Fault{Kind: Slow, Milliseconds: 20}, "", 1},
		{Fault{Kind: TooMany}, "(status code 429)", 0},
		{Fault{Kind: FailBefore}, "(status code 500)", 0},
		{Fault{Kind: FailAfter, Status: 503}, "(status code 503)", 1},
		{Fault{Kind: DropBefore}, "EOF", 0},
		{Fault{Kind: DropAfter}, "EOF", 1},
		{Fault{Kind: Malformed}, "invalid character", 1},
		{Fault{Kind: WrongClock}, "Query out of time", 0},
		{Fault{Kind: OutOfStock}, `"24adv03-v1 is not available in rbx"`, 0},
		{Fault{Kind: PriceChanged}, "", 1},
		{Fault{Kind: OrderCancelled}, "", 1},
		{Fault{Kind: OtherDatacentre}, "", 1},
	} {
		t.Run(string(x.fault.Kind), func(t *testing.T) {
			b := newBench(t, Options{})
			b.watch.lenient = true
			cart := b.fill(advance, "")
			x.fault.Method, x.fault.Path, x.fault.Nth = "POST", path, 1
			if _, err := b.sim.Fault(x.fault); err != nil {
				t.Fatal(err)
			}
			var reply checkoutReply
			err := b.client.Post("/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true}, &reply)
			switch {
			case x.want == "" && err != nil:
				t.Errorf("got %v, wanted success", err)
			case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
				t.Errorf("got %v, wanted %s", err, x.want)
			}
			b.sim.Advance(time.Second)
			books := b.sim.Books()
			if books.Count != x.orders || !books.Balanced {
				t.Fatalf("orders: %d, wanted %d; balanced: %v", books.Count, x.orders, books.Balanced)
			}
			switch x.fault.Kind {
			case PriceChanged:
				if books.SpentWithoutTax != 329.98 {
					t.Errorf("spent %v, wanted a tenth more than 299.98", books.SpentWithoutTax)
				}
			case OrderCancelled:
				if books.Orders[0].Status != "cancelled" || books.SpentWithTax != 0 || books.Live != 0 {
					t.Errorf("cancelled order: %+v", books)
				}
			case OtherDatacentre:
				if got := b.sim.Services()[2].Datacenter; got != "gra" {
					t.Errorf("delivered in %s, wanted gra", got)
				}
			}
			if f := b.sim.Faults()[0]; f.Met != 1 || f.Acted != 1 {
				t.Errorf("rule met %d calls and acted on %d, wanted 1 and 1", f.Met, f.Acted)
			}
		})
	}
}

func TestFaultRules(t *testing.T) {
	b := newBench(t, Options{Seed: 7})
	b.watch.lenient = true
	if _, err := b.sim.Fault(Fault{Kind: "burn"}); err == nil || !strings.HasPrefix(err.Error(), `fault kind "burn": wanted one of [refuse slow`) {
		t.Errorf("got %v", err)
	}
	if _, err := b.sim.Fault(Fault{Kind: TooMany, Probability: 2}); err == nil || err.Error() != "fault probability 2: wanted 0 to 1" {
		t.Errorf("got %v", err)
	}
	add := func(f Fault) {
		if _, err := b.sim.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(path string) bool { return b.client.Get(path, nil) != nil }
	add(Fault{Kind: TooMany, Method: "GET", Path: "/me", Nth: 2})
	if got := fmt.Sprint(fails("/me"), fails("/me"), fails("/me"), fails("/vps")); got != "false true false false" {
		t.Errorf("second call: %s", got)
	}
	add(Fault{Kind: FailBefore, Path: "/v*", Times: 2})
	if got := fmt.Sprint(fails("/vps"), fails("/vrack"), fails("/vps")); got != "true true false" {
		t.Errorf("twice on a wildcard: %s", got)
	}
	b.sim.ClearFaults()
	add(Fault{Kind: FailBefore, Probability: 0.5})
	hits := 0
	for range 100 {
		if fails("/me") {
			hits++
		}
	}
	if hits < 30 || hits > 70 {
		t.Errorf("half the calls: %d of 100", hits)
	}
	b.sim.ClearFaults()
	add(Fault{Kind: WrongClock, Path: "/auth/time"})
	var seconds int64
	if err := b.client.GetUnAuth("/auth/time", &seconds); err != nil || seconds < time.Now().Unix()+500 {
		t.Errorf("time under a wrong clock: %d, %v", seconds, err)
	}
}

func TestOrderFatesByPath(t *testing.T) {
	b := newBench(t, Options{Delays: Delays{Checking: time.Hour}})
	cart := b.fill(advance, "")
	var reply checkoutReply
	b.call("POST", "/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true}, &reply)
	status := fmt.Sprintf("/me/order/%d/status", reply.OrderID)
	var got string
	b.call("GET", status, nil, &got)
	if got != "checking" {
		t.Errorf("paid order: %s", got)
	}
	if err := b.sim.SetOrderStatus(reply.OrderID, "documentsRequested"); err != nil {
		t.Fatal(err)
	}
	b.sim.Advance(24 * time.Hour)
	b.call("GET", status, nil, &got)
	if got != "documentsRequested" {
		t.Errorf("an order that waits for documents: %s", got)
	}
	if _, err := b.sim.Fault(Fault{Kind: OrderCancelled, Method: "GET", Path: "/me/order/{orderId}/status", Nth: 1}); err != nil {
		t.Fatal(err)
	}
	b.call("GET", status, nil, &got)
	if got != "cancelled" {
		t.Errorf("cancelled at the call: %s", got)
	}
	b.refused("POST", fmt.Sprintf("/me/order/%d/pay", reply.OrderID), map[string]any{"paymentMethod": map[string]any{"id": paymentMethod}}, 400, "already paid or cancelled")
	if books := b.sim.Books(); len(books.Ledger) != 2 || books.SpentWithTax != 0 || !books.Balanced {
		t.Errorf("books: %+v", books)
	}
}

func TestFailedInstallation(t *testing.T) {
	h := newHosts()
	h.fail = errors.New("no space left on the machine")
	b := newBench(t, Options{Machines: h})
	b.hosts = h
	_, name := b.buy(advance)
	body := map[string]any{"operatingSystem": "debian12_64"}
	var task struct {
		ID int64 `json:"taskId"`
	}
	b.call("POST", "/dedicated/server/"+name+"/reinstall", body, &task)
	var got struct{ Status, Comment string }
	b.wait("failure", func() bool {
		b.call("GET", fmt.Sprintf("/dedicated/server/%s/task/%d", name, task.ID), nil, &got)
		return got.Status == "ovhError"
	})
	var progress struct {
		Progress []struct{ Comment, Status, Error string }
	}
	b.call("GET", "/dedicated/server/"+name+"/install/status", nil, &progress)
	if p := progress.Progress[4]; p.Status != "error" || p.Error != "no space left on the machine" {
		t.Errorf("installation status: %+v", progress)
	}
	b.refused("POST", "/dedicated/server/"+name+"/reinstall", map[string]any{"operatingSystem": "windows"}, 404, "does not exist")
	b.refused("POST", "/dedicated/server/"+name+"/reinstall", map[string]any{"operatingSystem": "debian12_64", "customizations": map[string]any{"hostname": "1st"}}, 400, "Hostname 1st is not valid")
}

func TestOneInstallationAtATime(t *testing.T) {
	h := newHosts()
	h.hold = make(chan struct{})
	b := newBench(t, Options{Machines: h})
	_, name := b.buy(advance)
	body := map[string]any{"operatingSystem": "debian12_64"}
	b.call("POST", "/dedicated/server/"+name+"/reinstall", body, nil)
	b.refused("POST", "/dedicated/server/"+name+"/reinstall", body, 400, "already locked by another process")
	close(h.hold)
	b.wait("installation", func() bool { return b.sim.Services()[2].Installed != nil })
	_, vps := b.buy(small)
	b.wait("delivery of the machine", func() bool {
		return b.client.Post("/vps/"+vps+"/rebuild", map[string]any{"imageId": imageID("Debian 12")}, nil) == nil
	})
}

// TestRestart ends the simulator in the middle of an order and of an installation, and goes on with another one over the same folder.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	h := newHosts()
	h.hold = make(chan struct{})
	b := newBench(t, Options{Dir: dir, Machines: h})
	_, name := b.buy(advance)
	var task struct {
		ID int64 `json:"taskId"`
	}
	b.call("POST", "/dedicated/server/"+name+"/reinstall", map[string]any{"operatingSystem": "debian12_64", "customizations": map[string]any{"hostname": "one", "sshKey": testKey}}, &task)
	b.sim.SetDelays(Delays{Checking: time.Hour})
	cart := b.fill(small, "second")
	var reply checkoutReply
	b.call("POST", "/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true}, &reply)
	b.wait("payment", func() bool { return b.sim.Books().Orders[1].Status == "checking" })
	before := b.sim.Books()
	if err := b.sim.Close(); err != nil {
		t.Fatal(err)
	}
	b.refused("GET", "/me", nil, http.StatusServiceUnavailable, "stopping")

	h2 := newHosts()
	c := newBench(t, Options{Dir: dir, Machines: h2})
	c.wait("installation after the restart", func() bool {
		var got struct{ Status string }
		c.call("GET", fmt.Sprintf("/dedicated/server/%s/task/%d", name, task.ID), nil, &got)
		return got.Status == "done"
	})
	if m := h2.installed[name]; m.Hostname != "one" || len(m.AuthorizedKeys) != 1 {
		t.Errorf("machine as installed after the restart: %+v", m)
	}
	if after := c.sim.Books(); after.Count != before.Count || after.SpentWithTax != before.SpentWithTax || after.Orders[1].Description != "second" {
		t.Errorf("books after the restart: %+v\nbefore: %+v", after, before)
	}
	c.sim.Advance(2 * time.Hour)
	if got := c.serviceOf(reply.OrderID, small.plan); !strings.HasPrefix(got, "vps-") {
		t.Errorf("the order of before was delivered as %s", got)
	}
}

func TestServiceStates(t *testing.T) {
	b := newBench(t, Options{Delays: Delays{Suspension: time.Hour}})
	_, name := b.buy(advance)
	path := "/dedicated/server/" + name
	for _, x := range []struct {
		state  string
		status int
	}{{"suspended", 460}, {"ok", 200}, {"hacked", 200}, {"ended", 460}} {
		if err := b.sim.SetService(name, x.state); err != nil {
			t.Fatal(err)
		}
		var got struct{ State string }
		err := b.client.Get(path, &got)
		var refused *ovh.APIError
		switch {
		case x.status == 200 && (err != nil || got.State != x.state):
			t.Errorf("%s: %+v, %v", x.state, got, err)
		case x.status != 200 && (!errors.As(err, &refused) || refused.Code != x.status):
			t.Errorf("%s: got %v, wanted %d", x.state, err, x.status)
		}
	}
	b.sim.Advance(2 * time.Hour)
	b.refused("GET", path, nil, 404, "does not exist")
	if err := b.sim.SetService(name, "ok"); err == nil {
		t.Error("an ended service took a new state")
	}
}

// TestRenewal lets a month pass: what stays is paid for again, what was given up is not.
func TestRenewal(t *testing.T) {
	b := newBench(t, Options{Delays: Delays{Activation: time.Minute}})
	_, stays := b.buy(small)
	_, goes := b.buy(small)
	leave := map[string]any{"renew": map[string]any{"automatic": true, "deleteAtExpiration": true, "forced": false, "period": 1}}
	b.refused("PUT", "/vps/"+goes+"/serviceInfos", leave, 400, "subscription is not active yet")
	b.sim.Advance(2 * time.Minute)
	b.call("PUT", "/vps/"+goes+"/serviceInfos", leave, nil)
	var infos struct {
		Renew struct{ Automatic, DeleteAtExpiration bool }
	}
	b.call("GET", "/vps/"+goes+"/serviceInfos", nil, &infos)
	if infos.Renew.Automatic || !infos.Renew.DeleteAtExpiration {
		t.Errorf("renewal after giving up: %+v", infos)
	}
	b.sim.Advance(32 * 24 * time.Hour)
	b.call("GET", "/vps/"+stays, nil, nil)
	b.refused("GET", "/vps/"+goes, nil, 404, "does not exist")
	if books := b.sim.Books(); books.SpentWithoutTax != 3*8.49 || !books.Balanced {
		t.Errorf("spent %v, wanted three months", books.SpentWithoutTax)
	}
	b.wait("removal of the ended host", func() bool { // its address is free when the host is gone, not when the service ends
		b.sim.mu.Lock()
		defer b.sim.mu.Unlock()
		return len(b.sim.st.Removing) == 0
	})
	_, again := b.buy(small)
	for _, v := range b.sim.Services() {
		if v.Name == again && v.Address.String() != "198.51.100.12" {
			t.Errorf("address of a new service: %s, wanted the freed 198.51.100.12", v.Address)
		}
	}
}

// TestManyAtOnce orders from several clients at the same time; the race detector listens when it is on.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t, Options{Dir: t.TempDir(), Delays: Delays{Payment: time.Millisecond, Checking: time.Millisecond, VPSDelivery: time.Millisecond, Task: time.Millisecond}})
	var group sync.WaitGroup
	for range 6 {
		client, err := ovh.NewClient(b.server.URL+"/1.0", ApplicationKey, ApplicationSecret, ConsumerKey)
		if err != nil {
			t.Fatal(err)
		}
		one := *b
		one.client = client
		group.Go(func() {
			cart := one.fill(small, "many")
			if err := client.Post("/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	b.wait("delivery of all", func() bool { return len(b.sim.Services()) == 8 })
	seen := map[string]bool{}
	for _, v := range b.sim.Services() {
		if v.Kind == KindVPS && seen[v.Address.String()] {
			t.Errorf("address %s given twice", v.Address)
		}
		seen[v.Address.String()] = true
	}
	if books := b.sim.Books(); books.Count != 6 || books.SpentWithoutTax != 50.94 || !books.Balanced {
		t.Errorf("books: %+v", books)
	}
}
