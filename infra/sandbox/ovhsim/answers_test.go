package ovhsim

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds text against a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run the test with -update and read the difference):\n%s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for n := range min(len(g), len(w)) {
		if g[n] != w[n] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", n+1, g[n], w[n])
		}
	}
	return fmt.Sprintf("got %d lines, wanted %d", len(g), len(w))
}

// tour calls routes one after another and writes down what they answered.
type tour struct {
	*bench
	text bytes.Buffer
	seen map[Route]bool
}

// show makes a call and puts its answer into the golden text.
func (o *tour) show(method, path string, body any) map[string]any {
	o.t.Helper()
	var answer json.RawMessage
	o.call(method, path, body, &answer)
	if len(answer) == 0 {
		answer = json.RawMessage("null")
	}
	full, _ := version("/1.0" + path)
	if strings.HasPrefix(path, "/v2/") {
		full = path
	}
	full, _, _ = strings.Cut(full, "?")
	_, _, pattern := find(method, full)
	o.seen[Route{method, pattern}] = true
	fmt.Fprintf(&o.text, "%s %s\n", method, path)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			o.t.Fatal(err)
		}
		fmt.Fprintf(&o.text, "> %s\n", text)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, answer, "", "  "); err != nil {
		o.t.Fatalf("%s %s: %v", method, path, err)
	}
	fmt.Fprintf(&o.text, "%s\n\n", pretty.Bytes())
	var out map[string]any
	_ = json.Unmarshal(answer, &out) // lists and plain values have no fields to give
	return out
}

func (o *tour) id(answer map[string]any, key string) int64 {
	o.t.Helper()
	n, ok := answer[key].(float64)
	if !ok {
		o.t.Fatalf("%s: %v is no number", key, answer[key])
	}
	return int64(n)
}

// TestEveryAnswer walks through the lives of a dedicated server, a VPS and a vRack, and calls every route there is. Each answer is held against the official
// description by the bench's transport and against a golden here.
func TestEveryAnswer(t *testing.T) {
	when := &clock{now: time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)}
	b := newBench(t, Options{Clock: when.Now, Delays: Delays{Payment: time.Second, Checking: time.Second, Delivery: time.Second, VPSDelivery: time.Second, Task: time.Second}})
	o := &tour{bench: b, seen: map[Route]bool{}}

	for _, path := range []string{"/auth/time", "/auth/currentCredential", "/auth/details", "/me", "/me/payment/method?default=true", "/me/payment/method/12345"} {
		o.show("GET", path, nil)
	}
	o.show("POST", "/me/sshKey", map[string]any{"keyName": "ops", "key": testKey})
	o.show("GET", "/me/sshKey", nil)
	o.show("GET", "/me/sshKey/ops", nil)
	for _, product := range []string{"eco", "baremetalServers", "vps", "vrack"} {
		b.call("GET", "/order/catalog/public/"+product+"?ovhSubsidiary=FR", nil, nil)
	}
	o.seen[Route{"GET", "/order/catalog/public/{product}"}] = true // too long for a golden; TestCatalogues looks inside
	o.show("GET", "/dedicated/server/datacenter/availabilities?planCode=24adv03-v1&datacenters=rbx,gra&memory=ram-64g-on-die-ecc-5200", nil)
	o.show("GET", "/vps/order/rule/datacenter?ovhSubsidiary=FR&planCode=vps-2027-model2&os=Debian%2012", nil)
	o.show("GET", "/vps/order/rule/osChoices?datacenter=GRA", nil)

	order := o.carts()
	server := o.orders(order, when)
	o.servers(server)
	o.machines(server)
	o.vpsAndVrack()
	o.leaving(server)
	o.databases()
	o.instances()

	for _, r := range Routes() {
		if !o.seen[r] {
			t.Errorf("%s %s: no answer was looked at", r.Method, r.Path)
		}
	}
	golden(t, "answers.golden", o.text.String())
}

// carts fills one by hand and orders it.
func (o *tour) carts() int64 {
	spare, _ := o.show("POST", "/order/cart", map[string]any{"ovhSubsidiary": "FR", "description": "spare"})["cartId"].(string)
	o.show("PUT", "/order/cart/"+spare, map[string]any{"description": "spare part", "expire": "2026-12-01T00:00:00+00:00"})
	o.show("DELETE", "/order/cart/"+spare, nil)

	id, _ := o.show("POST", "/order/cart", map[string]any{"ovhSubsidiary": "FR", "description": "havre:prod:rbx-worker-1", "expire": "2026-12-01T00:00:00+00:00"})["cartId"].(string)
	cart := "/order/cart/" + id
	o.show("POST", cart+"/assign", nil)
	o.show("GET", "/order/cart?description=havre:prod:rbx-worker-1", nil)
	o.show("GET", cart+"/eco?planCode=24rise03", nil)
	item := fmt.Sprintf("%s/item/%d", cart, o.id(o.show("POST", cart+"/eco", map[string]any{"planCode": "24adv03-v1", "duration": "P1M", "pricingMode": "default", "quantity": 1}), "itemId"))
	o.show("GET", item+"/requiredConfiguration", nil)
	wrong := o.id(o.show("POST", item+"/configuration", map[string]any{"label": "dedicated_datacenter", "value": "gra"}), "id")
	o.show("GET", fmt.Sprintf("%s/configuration/%d", item, wrong), nil)
	o.show("DELETE", fmt.Sprintf("%s/configuration/%d", item, wrong), nil)
	for _, x := range [][2]string{{"dedicated_datacenter", "rbx"}, {"dedicated_os", "none_64.en"}, {"region", "europe"}} {
		o.call("POST", item+"/configuration", map[string]any{"label": x[0], "value": x[1]}, nil)
	}
	o.show("GET", item+"/configuration", nil)
	o.show("GET", cart+"/eco/options?planCode=24rise03", nil)
	parent := 0
	if _, err := fmt.Sscanf(item[len(cart):], "/item/%d", &parent); err != nil {
		o.t.Fatal(err)
	}
	var option int64
	for n, code := range advance.options {
		body := map[string]any{"itemId": parent, "planCode": code, "duration": "P1M", "pricingMode": "default", "quantity": 1}
		if n == 0 {
			option = o.id(o.show("POST", cart+"/eco/options", body), "itemId")
			o.show("DELETE", fmt.Sprintf("%s/item/%d", cart, option), nil)
		}
		o.call("POST", cart+"/eco/options", body, nil)
	}
	o.show("GET", cart+"/item", nil)
	o.show("GET", item, nil)
	o.show("GET", cart+"/summary", nil)
	o.show("GET", cart+"/checkout", nil)
	order := o.id(o.show("POST", cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": false, "waiveRetractationPeriod": false}), "orderId")
	o.show("GET", cart, nil)
	return order
}

// orders follows an order from not paid to delivered, and gives back another one.
func (o *tour) orders(id int64, when *clock) string {
	step := func() {
		when.mu.Lock()
		when.now = when.now.Add(time.Second)
		when.mu.Unlock()
	}
	order := fmt.Sprintf("/me/order/%d", id)
	o.show("GET", "/me/order?date.from=2026-08-31T00:00:00Z&date.to=2026-09-02T00:00:00Z", nil)
	o.show("GET", order, nil)
	o.show("GET", order+"/status", nil)
	o.show("GET", order+"/associatedObject", nil)
	o.show("POST", order+"/pay", map[string]any{"paymentMethod": map[string]any{"id": 12345}})
	step()
	o.show("GET", order+"/status", nil)
	o.show("GET", order+"/payment", nil)
	o.show("GET", order+"/associatedObject", nil)
	step()
	o.show("GET", order+"/followUp", nil)
	o.show("POST", order+"/waiveRetraction", nil)
	step()
	o.show("GET", order+"/status", nil)
	o.show("GET", order+"/followUp", nil)
	var rows []int64
	o.call("GET", order+"/details", nil, &rows)
	o.show("GET", order+"/details", nil)
	o.show("GET", fmt.Sprintf("%s/details/%d", order, rows[0]), nil)
	o.show("GET", fmt.Sprintf("%s/details/%d/extension", order, rows[0]), nil)
	o.show("GET", fmt.Sprintf("%s/details/%d", order, rows[2]), nil)

	other := o.fill(small, "given back")
	var reply checkoutReply
	o.call("POST", "/order/cart/"+other+"/checkout", map[string]any{}, &reply)
	back := fmt.Sprintf("/me/order/%d", reply.OrderID)
	o.show("POST", back+"/payWithRegisteredPaymentMean", map[string]any{"paymentMean": "fidelityAccount"})
	step()
	o.show("POST", back+"/retraction", map[string]any{"reason": "other", "comment": "a mistake"})
	o.show("GET", back+"/status", nil)
	o.show("GET", back+"/followUp", nil)
	return o.serviceOf(id, "24adv03-v1")
}

// step lets the planned tasks of the moment start and end.
func (o *tour) step() {
	o.sim.Advance(time.Second)
	o.sim.Advance(time.Second)
}

func (o *tour) servers(name string) {
	server := "/dedicated/server/" + name
	urn := "urn:v1:eu:resource:dedicatedServer:" + name
	o.show("POST", "/v2/iam/resource/"+urn+"/tag", map[string]any{"key": "havre:node", "value": "prod/rbx-worker-1"})
	o.show("POST", "/v2/iam/resource/"+urn+"/tag", map[string]any{"key": "wrong", "value": "x"})
	o.show("DELETE", "/v2/iam/resource/"+urn+"/tag/wrong", nil)
	o.show("GET", "/v2/iam/resource/"+urn, nil)
	o.show("GET", "/v2/iam/resource?resourceType=dedicatedServer", nil)
	o.show("GET", "/dedicated/server?iamTags=%7B%22havre:node%22:%5B%7B%22operator%22:%22EQ%22,%22value%22:%22prod%2Frbx-worker-1%22%7D%5D%7D", nil)
	o.show("PUT", server, map[string]any{"monitoring": false, "bootId": 1})
	o.show("GET", server, nil)
	for _, path := range []string{"/serviceInfos", "/install/compatibleTemplates", "/ips", "/option", "/networkInterfaceController?linkType=private", "/virtualNetworkInterface?mode=vrack", "/vrack", "/boot?bootType=rescue", "/boot/1122"} {
		o.show("GET", server+path, nil)
	}
	o.show("GET", server+"/networkInterfaceController/"+MAC(name, true), nil)
	var interfaces []string
	o.call("GET", server+"/virtualNetworkInterface", nil, &interfaces)
	o.show("GET", server+"/virtualNetworkInterface/"+interfaces[1], nil)
	o.show("POST", server+"/ola/aggregation", map[string]any{"name": "both", "virtualNetworkInterfaces": interfaces})
	o.step()
	o.show("GET", server+"/virtualNetworkInterface/"+interfaces[1], nil)
	o.show("POST", server+"/ola/reset", map[string]any{"virtualNetworkInterface": interfaces[1]})
	o.step()

	vrack := "/vrack/" + FirstVrack
	o.show("GET", "/vrack", nil)
	o.show("PUT", vrack, map[string]any{"name": "prod", "description": "private network"})
	o.show("GET", vrack, nil)
	o.show("GET", vrack+"/serviceInfos", nil)
	o.show("GET", vrack+"/allowedServices?serviceFamily=dedicatedServerInterface", nil)
	o.show("GET", vrack+"/dedicatedServer", nil)
	task := o.id(o.show("POST", vrack+"/dedicatedServerInterface", map[string]any{"dedicatedServerInterface": interfaces[1]}), "id")
	o.show("GET", vrack+"/task", nil)
	o.show("GET", fmt.Sprintf("%s/task/%d", vrack, task), nil)
	o.step()
	o.refused("GET", fmt.Sprintf("%s/task/%d", vrack, task), nil, 404, "does not exist")
	o.show("GET", vrack+"/dedicatedServerInterface", nil)
	o.show("GET", vrack+"/dedicatedServerInterfaceDetails", nil)
	o.show("GET", vrack+"/dedicatedServerInterface/"+interfaces[1], nil)
	o.show("DELETE", vrack+"/dedicatedServerInterface/"+interfaces[1], nil)
	o.step()

	o.show("GET", "/ip?routedTo.serviceName="+name, nil)
	ip := "/ip/198.51.100.11%2F32"
	o.show("GET", ip, nil)
	o.show("GET", ip+"/reverse", nil)
	o.show("POST", ip+"/reverse", map[string]any{"ipReverse": "198.51.100.11", "reverse": "rbx-worker-1.example.net."})
	o.show("GET", ip+"/reverse/198.51.100.11", nil)
	o.show("DELETE", ip+"/reverse/198.51.100.11", nil)
	o.show("POST", ip+"/firewall", map[string]any{"ipOnFirewall": "198.51.100.11"})
	o.show("GET", ip+"/firewall", nil)
	wall := ip + "/firewall/198.51.100.11"
	o.show("PUT", wall, map[string]any{"enabled": true})
	o.show("GET", wall, nil)
	o.show("POST", wall+"/rule", map[string]any{"sequence": 0, "action": "permit", "protocol": "udp", "destinationPort": 51820, "source": "51.1.2.3/32"})
	o.show("GET", wall+"/rule", nil)
	o.show("GET", wall+"/rule/0", nil)
	o.show("DELETE", wall+"/rule/0", nil)
	o.show("DELETE", wall, nil)
}

func (o *tour) machines(name string) {
	server := "/dedicated/server/" + name
	o.show("POST", server+"/reboot", nil)
	o.step()
	task := o.id(o.show("POST", server+"/reinstall", map[string]any{
		"operatingSystem": "debian12_64",
		"customizations":  map[string]any{"hostname": "rbx-worker-1", "sshKey": testKey},
		"storage": []any{map[string]any{"diskGroupId": 0, "partitioning": map[string]any{"disks": 2, "layout": []any{
			map[string]any{"fileSystem": "ext4", "mountPoint": "/boot", "raidLevel": 1, "size": 1024},
			map[string]any{"fileSystem": "ext4", "mountPoint": "/", "raidLevel": 1, "size": 0},
		}}}},
	}), "taskId")
	o.show("GET", server+"/install/status", nil)
	o.show("GET", server+"/task?function=reinstallServer&status=init", nil)
	o.step()
	o.wait("installation", func() bool {
		var got struct{ Status string }
		o.call("GET", fmt.Sprintf("%s/task/%d", server, task), nil, &got)
		return got.Status == "done"
	})
	o.show("GET", fmt.Sprintf("%s/task/%d", server, task), nil)
}

func (o *tour) vpsAndVrack() {
	cart := o.fill(small, "havre:prod:gra-control-1")
	var reply checkoutReply
	o.call("POST", "/order/cart/"+cart+"/checkout", map[string]any{"autoPayWithPreferredPaymentMethod": true}, &reply)
	for range 3 {
		o.sim.Advance(time.Second)
	}
	vps := "/vps/" + o.serviceOf(reply.OrderID, small.plan)
	o.show("GET", "/vps", nil)
	o.show("GET", vps, nil)
	o.step()
	o.show("PUT", vps, map[string]any{"displayName": "gra-control-1"})
	o.step()
	o.show("GET", vps, nil)
	for _, path := range []string{"/datacenter", "/ips", "/ips/198.51.100.12", "/images/available", "/images/current", "/tasks", "/serviceInfos"} {
		o.show("GET", vps+path, nil)
	}
	o.show("PUT", vps+"/ips/198.51.100.12", map[string]any{"reverse": "gra-control-1.example.net."})
	o.show("GET", vps+"/images/available/"+imageID("Debian 12"), nil)
	o.refused("PUT", vps, map[string]any{"netbootMode": "floppy"}, 400, "VpsNetbootEnum")
	o.show("PUT", vps, map[string]any{"netbootMode": "rescue"})
	o.refused("POST", vps+"/reboot", nil, 400, "running tasks")
	o.step()
	o.show("POST", vps+"/reboot", nil)
	o.step()
	o.show("GET", vps, nil)
	o.show("PUT", vps, map[string]any{"netbootMode": "local"})
	o.step()
	o.show("POST", vps+"/reboot", nil)
	o.step()
	task := o.id(o.show("POST", vps+"/rebuild", map[string]any{"imageId": imageID("Debian 12"), "publicSshKey": testKey, "doNotSendPassword": true}), "id")
	o.step()
	o.wait("rebuild", func() bool {
		var got struct{ State string }
		o.call("GET", fmt.Sprintf("%s/tasks/%d", vps, task), nil, &got)
		return got.State == "done"
	})
	o.show("GET", fmt.Sprintf("%s/tasks/%d", vps, task), nil)
	o.show("POST", vps+"/terminate", nil)
	o.show("POST", vps+"/confirmTermination", map[string]any{"token": o.token(), "reason": "NOT_NEEDED_ANYMORE", "futureUse": "NOT_REPLACING_SERVICE", "commentary": ""})
	o.show("PUT", vps+"/serviceInfos", map[string]any{"renew": map[string]any{"automatic": true, "deleteAtExpiration": false, "forced": false, "period": 1}})
	o.show("GET", vps+"/serviceInfos", nil)
}

// token reads the newest mail as a client would.
func (o *tour) token() string {
	var ids []int64
	o.call("GET", "/me/notification/email/history", nil, &ids)
	var mail struct{ Body string }
	o.call("GET", fmt.Sprintf("/me/notification/email/history/%d", ids[0]), nil, &mail)
	_, token, found := strings.Cut(mail.Body, "token=")
	if !found {
		o.t.Fatalf("mail without a token: %s", mail.Body)
	}
	return strings.TrimSpace(token)
}

func (o *tour) leaving(name string) {
	server := "/dedicated/server/" + name
	var ids []int64
	o.call("GET", "/services?resourceName="+name, nil, &ids)
	o.show("GET", "/services?resourceName="+name, nil)
	service := fmt.Sprintf("/services/%d", ids[0])
	o.show("PUT", service, map[string]any{"displayName": "rbx-worker-1"})
	o.step()
	o.show("GET", service, nil)
	o.show("POST", service+"/terminate", nil)
	var mails []int64
	o.call("GET", "/me/notification/email/history", nil, &mails)
	o.show("GET", "/me/notification/email/history", nil)
	o.show("GET", fmt.Sprintf("/me/notification/email/history/%d", mails[0]), nil)
	o.show("POST", service+"/terminate/confirm", map[string]any{"token": o.token()})
	o.show("PUT", service, map[string]any{"terminationPolicy": "empty"})
	o.show("POST", server+"/terminate", nil)
	o.show("POST", server+"/confirmTermination", map[string]any{"token": o.token(), "reason": "OTHER", "futureUse": "OTHER", "commentary": ""})
	o.show("PUT", server+"/serviceInfos", map[string]any{"renew": map[string]any{"automatic": true, "deleteAtExpiration": true, "forced": false, "period": 1}})
	o.show("GET", server+"/serviceInfos", nil)
	o.show("DELETE", "/me/sshKey/ops", nil)
}

// TestCatalogues reads every plan and option, and holds the shape against OVH's own catalogues where samples are at hand.
func TestCatalogues(t *testing.T) {
	count := map[string]int{}
	for _, name := range sortedKeys(products) {
		cat := products[name]
		for _, p := range cat.Plans {
			count[name]++
			if _, _, ok := p.amount("renew", "default", 0, accountSince); !ok {
				t.Errorf("%s: plan %s has no monthly price", name, p.PlanCode)
			}
			for _, f := range p.Families {
				if !slices.Contains(f.Addons, f.Default) {
					t.Errorf("%s: plan %s: default %s is not in family %s", name, p.PlanCode, f.Default, f.Name)
				}
				for _, code := range f.Addons {
					if findPlan(cat.Addons, code) == nil {
						t.Errorf("%s: plan %s: option %s is not in the catalogue", name, p.PlanCode, code)
					}
				}
			}
		}
	}
	if got := fmt.Sprint(count); got != "map[baremetalServers:2 eco:2 vps:7 vrack:1]" {
		t.Errorf("plans: %s", got)
	}
	for ours, sample := range map[string]string{"eco": "catalog_eco_FR_2025-05-13_24rise03.json", "baremetalServers": "catalog_metal_FR_2022-02-08_21adv03.json"} {
		text, err := os.ReadFile(schemaFolder + "/" + sample)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, want := shape(t, products[ours].raw), shape(t, text); got != want {
			t.Errorf("%s: shape differs from OVH's\n got %s\nwant %s", ours, got, want)
		}
	}
}

// shape lists which properties the parts of a catalogue have.
func shape(t *testing.T, text []byte) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	out := []string{"catalogue " + strings.Join(sortedKeys(all), " ")}
	seen := map[string]bool{}
	for _, list := range []string{"plans", "addons", "products"} {
		entries, _ := all[list].([]any)
		for _, e := range entries {
			entry, _ := e.(map[string]any)
			seen[list+" "+strings.Join(sortedKeys(entry), " ")] = true
			for _, inner := range []string{"pricings", "addonFamilies", "configurations"} {
				parts, _ := entry[inner].([]any)
				for _, p := range parts {
					part, _ := p.(map[string]any)
					keys := sortedKeys(part)
					seen[inner+" "+strings.Join(slices.DeleteFunc(keys, func(k string) bool { return k == "default" }), " ")] = true
				}
			}
		}
	}
	return strings.Join(append(out, sortedKeys(seen)...), "\n")
}

func TestUnknownRoutes(t *testing.T) {
	b := newBench(t, Options{})
	b.refused("GET", "/dedicated/nasha", nil, http.StatusNotFound, "Got an invalid (or empty) URL")
	b.refused("DELETE", "/me", nil, http.StatusMethodNotAllowed, "Method not allowed")
}
