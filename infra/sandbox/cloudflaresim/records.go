package cloudflaresim

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

func (c *call) zone(id string) (string, error) {
	name, ok := c.s.st.Zones[id]
	if !ok {
		return "", refuse(http.StatusNotFound, 7003, "Could not route to /zones/%s, perhaps your object identifier is invalid?", id)
	}
	return name, nil
}

func (c *call) zones(id string) (answer, error) {
	if c.r.Method != http.MethodGet {
		return answer{}, c.method()
	}
	render := func(id, name string) object {
		return object{
			"id": id, "name": name, "status": "active", "paused": false, "type": "full", "development_mode": 0,
			"name_servers": []string{"ada.ns.cloudflare.com", "bob.ns.cloudflare.com"}, "original_name_servers": nil, "original_registrar": nil, "original_dnshost": nil,
			"created_on": "2024-01-15T09:00:00Z", "modified_on": "2024-01-15T09:00:00Z", "activated_on": "2024-01-15T09:00:00Z",
			"account": object{"id": Account, "name": "Example"}, "owner": object{"id": Account, "type": "organization", "name": "Example", "email": nil},
			"permissions": []string{"#dns_records:edit", "#dns_records:read", "#zone:read"},
			"plan":        object{"id": identity("plan"), "name": "Pro Website", "price": 20, "currency": "USD", "frequency": "monthly", "legacy_id": "pro", "is_subscribed": true},
			"meta":        object{"phishing_detected": false, "page_rule_quota": 20},
		}
	}
	if id != "" {
		name, err := c.zone(id)
		if err != nil {
			return answer{}, err
		}
		return answer{result: render(id, name)}, nil
	}
	wanted := c.r.URL.Query().Get("name")
	names := []string{}
	for _, name := range c.s.st.Zones {
		if wanted == "" || strings.EqualFold(wanted, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	all := []object{}
	for _, name := range names {
		all = append(all, render(ZoneID(name), name))
	}
	return c.page(all)
}

func (c *call) records(zone, id string) (answer, error) {
	name, err := c.zone(zone)
	if err != nil {
		return answer{}, err
	}
	held := c.s.st.Records[zone]
	if id == "" {
		switch c.r.Method {
		case http.MethodGet:
			return c.listRecords(held)
		case http.MethodPost:
			r := object{"id": c.s.newID("record"), "created_on": c.now}
			if err := c.fillRecord(r, c.body, name, held); err != nil {
				return answer{}, err
			}
			held[text(r, "id")] = r
			return answer{result: r}, nil
		}
		return answer{}, c.method()
	}
	r, ok := held[id]
	if !ok {
		return answer{}, refuse(http.StatusNotFound, 81044, "Record does not exist.")
	}
	switch c.r.Method {
	case http.MethodGet:
		return answer{result: r}, nil
	case http.MethodDelete:
		delete(held, id)
		return answer{result: object{"id": id}}, nil
	case http.MethodPatch, http.MethodPut:
		changed := object{"id": id, "created_on": r["created_on"]}
		body := c.body
		if c.r.Method == http.MethodPatch {
			body = maps.Clone(r)
			maps.Copy(body, c.body)
		}
		if err := c.fillRecord(changed, body, name, held); err != nil {
			return answer{}, err
		}
		held[id] = changed
		return answer{result: changed}, nil
	}
	return answer{}, c.method()
}

// recordTypes are those the simulator knows; the value says whether Cloudflare can stand before it.
var recordTypes = map[string]bool{"A": true, "AAAA": true, "CNAME": true, "CAA": false, "MX": false, "NS": false, "SRV": false, "TXT": false}

// fillRecord checks what was sent and completes it into r.
func (c *call) fillRecord(r, sent object, zone string, held map[string]object) error {
	kind, content := text(sent, "type"), strings.TrimSpace(text(sent, "content"))
	proxiable, known := recordTypes[kind]
	if !known {
		return invalid(9000, "DNS record type %q is not supported", kind)
	}
	name := strings.ToLower(strings.TrimSuffix(text(sent, "name"), "."))
	switch {
	case name == "":
		return invalid(9000, "DNS name is invalid.")
	case name == "@":
		name = zone
	case name != zone && !strings.HasSuffix(name, "."+zone):
		name += "." + zone
	}
	address, err := netip.ParseAddr(content)
	switch {
	case kind == "A" && (err != nil || !address.Is4()):
		return invalid(9005, "Content for A record must be a valid IPv4 address.")
	case kind == "AAAA" && (err != nil || !address.Is6()):
		return invalid(9006, "Content for AAAA record must be a valid IPv6 address.")
	case kind == "CNAME" && (content == "" || err == nil):
		return invalid(9007, "Content for CNAME record is invalid.")
	case content == "" && sent["data"] == nil:
		return invalid(9000, "Content is missing.")
	}
	ttl := number(sent, "ttl")
	proxied := sent["proxied"] == true
	switch {
	case ttl == 0 || proxied:
		ttl = 1
	case ttl != 1 && (ttl < 60 || ttl > 86400):
		return invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
	}
	if proxied && !proxiable {
		return invalid(9004, "This record type cannot be proxied.")
	}
	for _, other := range held {
		if text(other, "id") == text(r, "id") || text(other, "name") != name {
			continue
		}
		switch {
		case text(other, "type") == kind && text(other, "content") == content && content != "":
			return refuse(http.StatusBadRequest, 81057, "The record already exists.")
		case text(other, "type") == "CNAME" || kind == "CNAME" && proxiable && recordTypes[text(other, "type")]:
			return refuse(http.StatusBadRequest, 81053, "An A, AAAA, or CNAME record with that host already exists.")
		}
	}
	maps.Copy(r, object{
		"name": name, "type": kind, "content": content, "proxied": proxied, "proxiable": proxiable, "ttl": ttl, "modified_on": c.now, "meta": object{},
		"settings": object{}, "tags": []any{}, "comment": nil,
	})
	for _, key := range []string{"comment", "data", "priority", "settings", "tags"} {
		if v, ok := sent[key]; ok && v != nil && v != "" {
			r[key] = v
		}
	}
	return nil
}

func (c *call) listRecords(held map[string]object) (answer, error) {
	query := c.r.URL.Query()
	filter := func(key, value string) bool {
		for _, k := range []string{key, key + ".exact"} {
			if query.Has(k) && !strings.EqualFold(query.Get(k), value) {
				return false
			}
		}
		return true
	}
	all := []object{}
	for _, r := range sorted(held) {
		proxied := "false"
		if r["proxied"] == true {
			proxied = "true"
		}
		if filter("type", text(r, "type")) && filter("name", text(r, "name")) && filter("content", text(r, "content")) && filter("proxied", proxied) &&
			filter("comment", text(r, "comment")) {
			all = append(all, r)
		}
	}
	return c.page(all)
}
