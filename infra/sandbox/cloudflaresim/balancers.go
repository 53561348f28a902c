package cloudflaresim

import (
	"maps"
	"net/http"
	"slices"
)

// collection is a kind of thing with the same life: made, listed, read, replaced, deleted.
type collection struct {
	name     string
	defaults object
	check    func(*call, object) error
	inUse    func(*call, string) bool
}

var (
	monitors = collection{
		name: "monitors",
		defaults: object{
			"type": "http", "description": "", "method": "GET", "path": "/", "header": object{}, "timeout": 5, "retries": 2, "interval": 60, "consecutive_up": 0,
			"consecutive_down": 0, "expected_body": "", "expected_codes": "200", "follow_redirects": false, "allow_insecure": false, "probe_zone": "",
		},
		check: func(_ *call, o object) error {
			if !slices.Contains([]string{"http", "https", "tcp", "udp_icmp", "icmp_ping", "smtp"}, text(o, "type")) {
				return refuse(http.StatusBadRequest, 1002, "type: must be one of http, https, tcp, udp_icmp, icmp_ping, smtp: validation failed")
			}
			if n := number(o, "interval"); n < 5 || n > 3600 {
				return refuse(http.StatusBadRequest, 1002, "interval: must be between 5 and 3600: validation failed")
			}
			return nil
		},
		inUse: func(c *call, id string) bool {
			return c.any("pools", func(o object) bool { return text(o, "monitor") == id })
		},
	}
	pools = collection{
		name:     "pools",
		defaults: object{"description": "", "enabled": true, "minimum_origins": 1, "monitor": "", "check_regions": nil, "notification_email": "", "healthy": true},
		check: func(c *call, o object) error {
			origins, _ := o["origins"].([]any)
			switch {
			case text(o, "name") == "":
				return refuse(http.StatusBadRequest, 1002, "name: cannot be blank: validation failed")
			case len(origins) == 0:
				return refuse(http.StatusBadRequest, 1002, "origins: must have at least one: validation failed")
			case text(o, "monitor") != "" && c.s.st.Things["monitors"][text(o, "monitor")] == nil:
				return refuse(http.StatusBadRequest, 1002, "monitor: not found: validation failed")
			}
			for _, x := range origins {
				origin, _ := x.(object)
				if text(origin, "name") == "" || text(origin, "address") == "" {
					return refuse(http.StatusBadRequest, 1002, "origins: name and address are needed: validation failed")
				}
			}
			return nil
		},
		inUse: func(c *call, id string) bool {
			return c.any("load_balancers", func(o object) bool {
				list, _ := o["default_pools"].([]any)
				return text(o, "fallback_pool") == id || slices.Contains(list, any(id))
			})
		},
	}
	balancers = collection{
		name: "load_balancers",
		defaults: object{
			"description": "", "ttl": 30, "proxied": false, "enabled": true, "region_pools": object{}, "pop_pools": object{}, "country_pools": object{},
			"session_affinity": "none", "steering_policy": "off",
		},
		check: func(c *call, o object) error {
			list, _ := o["default_pools"].([]any)
			if text(o, "name") == "" || len(list) == 0 {
				return refuse(http.StatusBadRequest, 1002, "name and default_pools cannot be blank: validation failed")
			}
			if policy := text(o, "steering_policy"); !slices.Contains([]string{"", "off", "random"}, policy) {
				return refuse(http.StatusBadRequest, 1002, "steering_policy %q is not one that this simulator knows: validation failed", policy)
			}
			for _, other := range c.s.st.Things["load_balancers"] {
				if text(other, "name") == text(o, "name") && other["id"] != o["id"] {
					return refuse(http.StatusBadRequest, 1002, "name: a load balancer with that name exists: validation failed")
				}
			}
			for _, id := range append(slices.Clone(list), o["fallback_pool"]) {
				if name, _ := id.(string); c.s.st.Things["pools"][name] == nil {
					return refuse(http.StatusBadRequest, 1002, "pool %v: not found: validation failed", id)
				}
			}
			return nil
		},
		inUse: func(*call, string) bool { return false },
	}
)

// any says whether one thing of a collection fits.
func (c *call) any(name string, fits func(object) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(c.s.st.Things[name])), fits)
}

// scope is the property that says whose a thing is; it is not shown.
const scope = "havre_scope"

func shown(o object) object {
	out := maps.Clone(o)
	delete(out, scope)
	return out
}

// things serves one collection of an account or a zone.
func (c *call) things(kind *collection, owner, id string) (answer, error) {
	if c.s.st.Things[kind.name] == nil {
		c.s.st.Things[kind.name] = map[string]object{}
	}
	held := c.s.st.Things[kind.name]
	if id == "" {
		switch c.r.Method {
		case http.MethodGet:
			all := []object{}
			for _, o := range sorted(held) {
				if o[scope] == owner {
					all = append(all, shown(o))
				}
			}
			return c.page(all)
		case http.MethodPost:
			return c.put(kind, held, object{"id": c.s.newID(kind.name), "created_on": c.now, scope: owner}, c.body)
		}
		return answer{}, c.method()
	}
	o, ok := held[id]
	if !ok || o[scope] != owner {
		return answer{}, refuse(http.StatusNotFound, 1001, "object could not be found: not found")
	}
	switch c.r.Method {
	case http.MethodGet:
		return answer{result: shown(o)}, nil
	case http.MethodDelete:
		if kind.inUse(c, id) {
			return answer{}, refuse(http.StatusPreconditionFailed, 1005, "resource %s is referenced by others: precondition failed", id)
		}
		delete(held, id)
		return answer{result: object{"id": id}}, nil
	case http.MethodPut, http.MethodPatch:
		sent := c.body
		if c.r.Method == http.MethodPatch {
			sent = shown(o)
			maps.Copy(sent, c.body)
		}
		return c.put(kind, held, object{"id": id, "created_on": o["created_on"], scope: owner}, sent)
	}
	return answer{}, c.method()
}

// put checks, completes and keeps a thing.
func (c *call) put(kind *collection, held map[string]object, fixed, sent object) (answer, error) {
	o := maps.Clone(kind.defaults)
	for key, value := range sent {
		if value != nil {
			o[key] = value
		}
	}
	maps.Copy(o, fixed)
	o["modified_on"] = c.now
	if err := kind.check(c, o); err != nil {
		return answer{}, err
	}
	held[text(o, "id")] = o
	return answer{result: shown(o)}, nil
}

// poolHealth tells a pool's health from one place, as the simulator is.
func (c *call) poolHealth(id string) (answer, error) {
	pool := c.s.st.Things["pools"][id]
	switch {
	case pool == nil:
		return answer{}, refuse(http.StatusNotFound, 1001, "object could not be found: not found")
	case c.r.Method != http.MethodGet:
		return answer{}, c.method()
	}
	list := []object{}
	for _, origin := range origins(pool) {
		reason := c.s.down(pool, origin)
		told := object{"healthy": reason == "", "rtt": "10ms", "failure_reason": reason, "response_code": 0}
		if reason == "" {
			told["failure_reason"] = "No failures"
		}
		list = append(list, object{text(origin, "address"): told})
	}
	return answer{result: object{"pool_id": id, "pop_health": object{"Paris, FR": object{"healthy": len(c.s.healthyOrigins(pool)) > 0, "origins": list}}}}, nil
}
