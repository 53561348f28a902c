package ovhsim

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovh/go-ovh/ovh"
)

// testKey is a key's public line; nothing ever logs in with it.
const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUnderTestUnderTestUnderTestUnderTestUnder ops"

// clock is a time that moves only when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// hosts records what the simulator asks of its Machines, and fails or blocks on demand.
type hosts struct {
	mu        sync.Mutex
	installed map[string]Machine
	removed   []string
	attached  map[string]bool
	fail      error
	hold      chan struct{}
}

func newHosts() *hosts { return &hosts{installed: map[string]Machine{}, attached: map[string]bool{}} }

func (h *hosts) Install(ctx context.Context, m Machine) error {
	h.mu.Lock()
	hold, fail := h.hold, h.fail
	h.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.installed[m.ServiceName] = m
	return nil
}

func (h *hosts) Remove(_ context.Context, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.installed, name)
	h.removed = append(h.removed, name)
	return nil
}

func (h *hosts) Attach(_ context.Context, name string, on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attached[name] = on
	return nil
}

func (h *hosts) MAC(name string, private bool) string { return MAC(name, private) }

// bench is a simulator behind a real HTTP server, with OVH's own client in front.
type bench struct {
	t      *testing.T
	sim    *Simulator
	server *httptest.Server
	client *ovh.Client
	hosts  *hosts
	watch  *inspector
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	h, _ := o.Machines.(*hosts)
	if o.Machines == nil {
		h = newHosts()
		o.Machines = h
	}
	sim, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := ovh.NewClient(server.URL+"/1.0", ApplicationKey, ApplicationSecret, ConsumerKey)
	if err != nil {
		t.Fatal(err)
	}
	watch := &inspector{t: t, next: server.Client().Transport}
	client.Client.Transport = watch
	return &bench{t: t, sim: sim, server: server, client: client, hosts: h, watch: watch}
}

// call makes a request that must succeed.
func (b *bench) call(method, path string, body, result any) {
	b.t.Helper()
	if err := b.client.CallAPI(method, path, body, result, true); err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// refused makes a request that must fail, and checks how.
func (b *bench) refused(method, path string, body any, status int, text string) {
	b.t.Helper()
	err := b.client.CallAPI(method, path, body, nil, true)
	var refused *ovh.APIError
	if !errors.As(err, &refused) {
		b.t.Fatalf("%s %s: got %v, wanted status %d", method, path, err, status)
	}
	if refused.Code != status || !strings.Contains(refused.Message, text) {
		b.t.Fatalf("%s %s: got %d %q, wanted %d %q", method, path, refused.Code, refused.Message, status, text)
	}
}

// wait lets background work come to an end.
func (b *bench) wait(what string, done func() bool) {
	b.t.Helper()
	for range 2000 {
		if done() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	b.t.Fatalf("%s: did not happen", what)
}

// order is what a test wants to buy.
type purchase struct {
	product, plan, datacenter string
	options                   []string
}

var (
	advance = purchase{"eco", "24adv03-v1", "rbx", []string{"ram-64g-on-die-ecc-5200-24adv03-v1", "softraid-2x960nvme-pcie-gen4-24adv03-v1", "bandwidth-3000-adv-gen3", "vrack-bandwidth-25000-adv-gen3"}}
	small   = purchase{"vps", "vps-2027-model2", "GRA", nil}
)

type checkoutReply struct {
	OrderID int64  `json:"orderId"`
	URL     string `json:"url"`
	Prices  struct {
		WithTax    struct{ Value float64 } `json:"withTax"`
		WithoutTax struct{ Value float64 } `json:"withoutTax"`
	} `json:"prices"`
}

// fill makes a cart ready for checkout and gives its id.
func (b *bench) fill(p purchase, description string) string {
	b.t.Helper()
	var cart struct {
		ID string `json:"cartId"`
	}
	b.call("POST", "/order/cart", map[string]any{"ovhSubsidiary": "FR", "description": description}, &cart)
	b.call("POST", "/order/cart/"+cart.ID+"/assign", nil, nil)
	var item struct {
		ID int64 `json:"itemId"`
	}
	plain := map[string]any{"planCode": p.plan, "duration": "P1M", "pricingMode": "default", "quantity": 1}
	b.call("POST", "/order/cart/"+cart.ID+"/"+p.product, plain, &item)
	settings := [][2]string{{"dedicated_datacenter", p.datacenter}, {"dedicated_os", "none_64.en"}, {"region", "europe"}}
	if p.product == "vps" {
		settings = [][2]string{{"vps_datacenter", p.datacenter}, {"vps_os", "Debian 12"}}
	}
	for _, s := range settings {
		b.call("POST", fmt.Sprintf("/order/cart/%s/item/%d/configuration", cart.ID, item.ID), map[string]any{"label": s[0], "value": s[1]}, nil)
	}
	for _, o := range p.options {
		b.call("POST", "/order/cart/"+cart.ID+"/"+p.product+"/options", map[string]any{"itemId": item.ID, "planCode": o, "duration": "P1M", "pricingMode": "default", "quantity": 1}, nil)
	}
	return cart.ID
}

// buy orders and waits for the delivery; it gives the order and the service's name.
func (b *bench) buy(p purchase) (checkoutReply, string) {
	b.t.Helper()
	cart := b.fill(p, "test")
	var reply checkoutReply
	b.call("POST", "/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true, "waiveRetractationPeriod": false}, &reply)
	b.wait("delivery", func() bool {
		var status string
		b.call("GET", fmt.Sprintf("/me/order/%d/status", reply.OrderID), nil, &status)
		return status == "delivered"
	})
	return reply, b.serviceOf(reply.OrderID, p.plan)
}

// serviceOf finds a service's name the way a client must: in the detail whose extension is of the plan.
func (b *bench) serviceOf(order int64, plan string) string {
	b.t.Helper()
	var ids []int64
	b.call("GET", fmt.Sprintf("/me/order/%d/details", order), nil, &ids)
	for _, id := range ids {
		var extension struct {
			Order struct {
				Plan struct{ Code string } `json:"plan"`
			} `json:"order"`
		}
		b.call("GET", fmt.Sprintf("/me/order/%d/details/%d/extension", order, id), nil, &extension)
		if extension.Order.Plan.Code == plan {
			var detail struct{ Domain string }
			b.call("GET", fmt.Sprintf("/me/order/%d/details/%d", order, id), nil, &detail)
			return detail.Domain
		}
	}
	b.t.Fatalf("order %d: no detail of plan %s", order, plan)
	return ""
}

func TestDedicatedServerLife(t *testing.T) {
	b := newBench(t, Options{})
	reply, name := b.buy(advance)
	if got := reply.Prices.WithoutTax.Value; got != 299.98 {
		t.Errorf("first bill: got %v, wanted 299.98 (149.99 set-up and 149.99 for the month)", got)
	}
	if name != "ns3101026.ip-198-51-100.eu" {
		t.Errorf("service name: got %s", name)
	}
	var server struct{ IP, OS, Datacenter, State string }
	b.call("GET", "/dedicated/server/"+name, nil, &server)
	if server.IP != "198.51.100.11" || server.OS != "none_64" || server.Datacenter != "rbx8" {
		t.Errorf("server after delivery: %+v", server)
	}
	var vnis []string
	b.call("GET", "/dedicated/server/"+name+"/virtualNetworkInterface?mode=vrack", nil, &vnis)
	b.call("POST", "/vrack/"+FirstVrack+"/dedicatedServerInterface", map[string]any{"dedicatedServerInterface": vnis[0]}, nil)
	b.wait("vRack task", func() bool {
		var tasks []int64
		b.call("GET", "/vrack/"+FirstVrack+"/task", nil, &tasks)
		return len(tasks) == 0
	})
	var task struct {
		ID int64 `json:"taskId"`
	}
	b.call("POST", "/dedicated/server/"+name+"/reinstall", map[string]any{
		"operatingSystem": "debian12_64",
		"customizations":  map[string]any{"hostname": "rbx-worker-1", "sshKey": testKey, "postInstallationScript": "IyEvYmluL3NoCmVjaG8gaGkK"},
	}, &task)
	b.wait("installation", func() bool {
		var got struct{ Status string }
		b.call("GET", fmt.Sprintf("/dedicated/server/%s/task/%d", name, task.ID), nil, &got)
		return got.Status == "done"
	})
	m := b.hosts.installed[name]
	if m.Hostname != "rbx-worker-1" || m.PostInstall != "#!/bin/sh\necho hi\n" || !m.Vrack || m.Kind != KindDedicated || m.Datacenter != "rbx" || len(m.AuthorizedKeys) != 1 {
		t.Errorf("machine as installed: %+v", m)
	}
	b.refused("GET", "/dedicated/server/"+name+"/install/status", nil, 404, "not being installed")

	b.call("PUT", "/dedicated/server/"+name+"/serviceInfos", map[string]any{"renew": map[string]any{"automatic": true, "deleteAtExpiration": true, "forced": false, "period": 1}}, nil)
	b.call("GET", "/dedicated/server/"+name, nil, &server)
	b.sim.Advance(32 * 24 * time.Hour)
	b.refused("GET", "/dedicated/server/"+name, nil, 404, "does not exist")
	b.wait("removal of the host", func() bool {
		b.hosts.mu.Lock()
		defer b.hosts.mu.Unlock()
		return len(b.hosts.removed) == 1
	})
	if books := b.sim.Books(); books.Count != 1 || books.SpentWithoutTax != 299.98 || books.SpentWithTax != 359.98 || !books.Balanced {
		t.Errorf("books: %+v", books)
	}
}

func TestVPSLife(t *testing.T) {
	b := newBench(t, Options{EndAtOnce: true})
	_, name := b.buy(small)
	var images []string
	b.call("GET", "/vps/"+name+"/images/available", nil, &images)
	image := ""
	for _, id := range images {
		var got struct{ Name string }
		b.call("GET", "/vps/"+name+"/images/available/"+id, nil, &got)
		if got.Name == "Debian 12" {
			image = id
		}
	}
	b.call("POST", "/me/sshKey", map[string]any{"keyName": "ops", "key": testKey}, nil)
	b.wait("delivery of the machine", func() bool {
		var open []int64
		b.call("GET", "/vps/"+name+"/tasks?type=deliverVm&state=done", nil, &open)
		return len(open) == 1
	})
	var task struct{ ID int64 }
	b.call("POST", "/vps/"+name+"/rebuild", map[string]any{"imageId": image, "sshKey": "ops", "doNotSendPassword": true}, &task)
	b.wait("rebuild", func() bool {
		var got struct{ State string }
		b.call("GET", fmt.Sprintf("/vps/%s/tasks/%d", name, task.ID), nil, &got)
		return got.State == "done"
	})
	m := b.hosts.installed[name]
	if m.OS != "Debian 12" || m.Datacenter != "gra" || m.AuthorizedKeys[0] != testKey || m.Kind != KindVPS {
		t.Errorf("machine as installed: %+v", m)
	}
	b.call("PUT", "/vps/"+name+"/serviceInfos", map[string]any{"renew": map[string]any{"automatic": false, "deleteAtExpiration": true, "forced": false}}, nil)
	b.refused("GET", "/vps/"+name, nil, 404, "does not exist")
}

func TestSignatureVector(t *testing.T) {
	got := Signature("app-secret", "consumer-key", "POST", "https://api.us.ovhcloud.com/1.0/order/cart", `{"ovhSubsidiary":"US"}`, 1791331200)
	if want := "$1$f107694ad0c3089f21d93dad15266e97d4e57695"; got != want {
		t.Errorf("got %s, wanted %s", got, want)
	}
}
