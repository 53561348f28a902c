package ovhsim

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestControlAddress(t *testing.T) {
	b := newBench(t, Options{})
	control := httptest.NewServer(b.sim.ControlHandler())
	defer control.Close()
	ask := func(method, path, body string) string {
		t.Helper()
		r := httptest.NewRequest(method, control.URL+path, strings.NewReader(body))
		r.RequestURI = ""
		answer, err := control.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), "")
	}
	b.watch.lenient = true
	for _, x := range []struct{ method, path, body, want string }{
		{"GET", "/healthz", "", `"status":"ok"`},
		{"POST", "/faults", `{"kind":"429","path":"/me","nth":1}`, `{"id":1}`},
		{"GET", "/faults", "", `"path":"/me","nth":1`},
		{"POST", "/faults", `{"kind":"fire"}`, `"error":"faultkind\"fire\":wantedoneof`},
		{"POST", "/faults", `{"knd":"429"}`, `unknownfield\"knd\"`},
		{"DELETE", "/faults", "", `{}`},
		{"GET", "/faults", "", `[]`},
		{"POST", "/delays", `{"delivery":"2s"}`, `"delivery":"2s"`},
		{"POST", "/delays", `{"dlivery":"2s"}`, `delay\"dlivery\":wantedoneof[activationcheckingdatabasedeliveryfollowUppaymentsuspensiontaskvpsDelivery]`},
		{"POST", "/delays", `{"delivery":"soon"}`, `delaydelivery:\"soon\"isnodurationsuchas2s`},
		{"POST", "/clock", `{"skew":"90s"}`, `"authTime":`},
		{"POST", "/clock", `{"advance":"720h","skew":"0s"}`, `"now":`},
		{"POST", "/stock", `{"planCode":"24rise03","datacenter":"gra","available":false}`, `{}`},
		{"POST", "/options", `{"endAtOnce":true}`, `{}`},
		{"POST", "/credential", `{"account":"xx99999-ovh"}`, `{}`},
		{"POST", "/orders/7", `{"status":"cancelled"}`, `"error":"order7:notknowntothesimulator"`},
		{"POST", "/services/none", `{"state":"hacked"}`, `"error":"servicenone:notheldbytheaccount"`},
		{"GET", "/orders", "", `"count":0,"live":0,"spentWithTax":0,"spentWithoutTax":0,"ledger":[],"balanced":true`},
		{"GET", "/services", "", `"name":"pn-1000001"`},
		{"GET", "/routes", "", `"Path":"/order/cart/{cartId}/checkout"`},
	} {
		if got := ask(x.method, x.path, x.body); !strings.Contains(got, x.want) {
			t.Errorf("%s %s %s: got %s, wanted %s in it", x.method, x.path, x.body, got, x.want)
		}
	}
	var me struct{ Nichandle string }
	b.call("GET", "/me", nil, &me)
	if me.Nichandle != "xx99999-ovh" {
		t.Errorf("account: %s", me.Nichandle)
	}
	if got := ask("GET", "/requests", ""); !strings.Contains(got, `"method":"GET","path":"/me","route":"/me","status":200,"executed":true`) {
		t.Errorf("log of calls: %s", got)
	}
}

func TestBrokenState(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"{", "unexpected end of JSON input; remove the file to begin with an empty account"},
		{`{"version":99}`, "version 99, wanted 1; remove the file to begin with an empty account"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(x.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Dir: dir}); err == nil || !strings.HasSuffix(err.Error(), x.want) {
			t.Errorf("%s: got %v, wanted %s", x.text, err, x.want)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"/me", "/me", true}, {"/me", "/me/order", false}, {"/me/order/*", "/me/order", false}, {"/me/order/*", "/me/order/1/status", true},
		{"/*", "/anything/at/all", true}, {"/me/order/*/pay", "/me/order/7/pay", true}, {"/me/order/*/pay", "/me/order/7/status", false}, {"*/task/*", "/vrack/x/task/1", true},
	} {
		if got := wildcard(x.pattern, x.text); got != x.want {
			t.Errorf("%s on %s: %v", x.pattern, x.text, got)
		}
	}
}

// TestDocumentation holds the table of routes to what is served.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../docs/ovh-routes.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]int{}
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) == 6 && strings.HasPrefix(cells[1], " `") {
			documented[strings.Trim(cells[1], " `")]++
		}
	}
	for _, r := range Routes() {
		name := r.Method + " " + r.Path
		if documented[name] != 1 {
			t.Errorf("docs/ovh-routes.md names %s %d times, wanted once", name, documented[name])
		}
		delete(documented, name)
	}
	for _, name := range sortedKeys(documented) {
		t.Errorf("docs/ovh-routes.md names %s, which the simulator does not serve", name)
	}
}
