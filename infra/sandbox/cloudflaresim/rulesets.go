package cloudflaresim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// phases are the points at which a zone's own rules can stand, of those the platform uses; the value is the one action there.
var phases = map[string]string{"http_request_cache_settings": "set_cache_settings"}

// rulesets serves a zone's rulesets. A zone has one for each phase, its entry point.
func (c *call) rulesets(zone string) (answer, error) {
	if _, err := c.zone(zone); err != nil {
		return answer{}, err
	}
	if c.s.st.Things["rulesets"] == nil {
		c.s.st.Things["rulesets"] = map[string]object{}
	}
	held, rest := c.s.st.Things["rulesets"], c.path[3:]
	byPhase := func(phase string) object {
		for _, o := range held {
			if o[scope] == zone && text(o, "phase") == phase {
				return o
			}
		}
		return nil
	}
	switch {
	case len(rest) == 0 && c.r.Method == http.MethodGet:
		all := []object{}
		for _, o := range sorted(held) {
			if o[scope] == zone {
				all = append(all, shown(o))
			}
		}
		return c.page(all)
	case len(rest) == 0 && c.r.Method == http.MethodPost:
		if there := byPhase(text(c.body, "phase")); there != nil {
			return answer{}, refuse(http.StatusBadRequest, 20217, "exceeded maximum number of zone rulesets for phase %s", text(c.body, "phase"))
		}
		return c.putRuleset(held, object{"id": c.s.newID("ruleset"), scope: zone, "kind": text(c.body, "kind"), "phase": text(c.body, "phase"), "name": text(c.body, "name")})
	case len(rest) == 3 && rest[0] == "phases" && rest[2] == "entrypoint":
		there := byPhase(rest[1])
		if c.r.Method == http.MethodPut {
			if there == nil {
				there = object{"id": c.s.newID("ruleset"), scope: zone, "kind": "zone", "phase": rest[1], "name": "default"}
			}
			return c.putRuleset(held, there)
		}
		if there == nil {
			return answer{}, refuse(http.StatusNotFound, 10003, "could not find entrypoint ruleset in the %s phase", rest[1])
		}
		return answer{result: shown(there)}, nil
	case len(rest) == 1:
		there := held[rest[0]]
		if there == nil || there[scope] != zone {
			return answer{}, refuse(http.StatusNotFound, 10003, "could not find ruleset %s", rest[0])
		}
		switch c.r.Method {
		case http.MethodGet:
			return answer{result: shown(there)}, nil
		case http.MethodPut:
			return c.putRuleset(held, there)
		case http.MethodDelete:
			delete(held, rest[0])
			return answer{empty: true}, nil
		}
		return answer{}, c.method()
	}
	return answer{}, refuse(http.StatusNotFound, 7000, "No route for that URI")
}

// putRuleset checks and keeps what was sent under an identity.
func (c *call) putRuleset(held map[string]object, before object) (answer, error) {
	action, known := phases[text(before, "phase")]
	switch {
	case !known:
		return answer{}, refuse(http.StatusBadRequest, 20014, "%q is not a valid phase for this simulator", text(before, "phase"))
	case text(before, "kind") != "zone":
		return answer{}, refuse(http.StatusBadRequest, 20014, "a ruleset of a zone has the kind zone, not %q", text(before, "kind"))
	case text(before, "name") == "":
		return answer{}, refuse(http.StatusBadRequest, 20014, "name cannot be blank")
	}
	list, _ := c.body["rules"].([]any)
	rules := []any{}
	for i, x := range list {
		rule, _ := x.(object)
		switch {
		case text(rule, "expression") == "":
			return answer{}, refuse(http.StatusBadRequest, 20127, "rules[%d]: expression cannot be blank", i)
		case text(rule, "action") != action:
			return answer{}, refuse(http.StatusBadRequest, 20015, "rules[%d]: action %q is not allowed in phase %s", i, text(rule, "action"), text(before, "phase"))
		}
		rule = maps.Clone(rule)
		if rule["enabled"] == nil {
			rule["enabled"] = true
		}
		rule["id"], rule["version"], rule["last_updated"] = identity(fmt.Sprintf("rule %s %d", text(before, "id"), i)), "1", c.now
		if text(rule, "ref") == "" {
			rule["ref"] = rule["id"]
		}
		rules = append(rules, rule)
	}
	o := maps.Clone(before)
	o["description"], o["rules"], o["version"], o["last_updated"] = text(c.body, "description"), rules, "1", c.now
	held[text(o, "id")] = o
	return answer{result: shown(o)}, nil
}

// CacheRules are the expressions of a zone's cache rules, in their order.
func (s *Simulator) CacheRules(zone string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	expressions := []string{}
	for _, o := range sorted(s.st.Things["rulesets"]) {
		if o[scope] != ZoneID(zone) {
			continue
		}
		list, _ := o["rules"].([]any)
		for _, x := range list {
			if rule, _ := x.(object); rule["enabled"] == true {
				expressions = append(expressions, text(rule, "expression"))
			}
		}
	}
	return slices.Clip(expressions)
}
