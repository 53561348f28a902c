package ovhsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Boot identities every server has.
const (
	bootHarddisk int64 = 1
	bootRescue   int64 = 1122
)

// living finds a service by kind and name. One that is suspended answers 460, one that ended does so for Delays.Suspension and then does not exist.
func (c *call) living(kind string) (*service, error) {
	name := c.param("serviceName")
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		if v.Kind != kind || v.Name != name {
			continue
		}
		switch {
		case v.Ended.IsZero() && !v.Suspended:
			return v, nil
		case v.Ended.IsZero() || c.now.Before(v.Ended.Add(c.s.delays.Suspension)):
			return nil, expired()
		}
	}
	return nil, notFound("The requested object (serviceName = %s) does not exist", name)
}

func (c *call) server() (*service, error) { return c.living(KindDedicated) }

// tagFilter is one condition of the iamTags query, a JSON object of lists by key.
type tagFilter struct {
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

func (c *call) names(kind string) (any, error) {
	var filters map[string][]tagFilter
	if text := c.query.Get("iamTags"); text != "" {
		if err := json.Unmarshal([]byte(text), &filters); err != nil {
			return nil, badRequest("Client::BadRequest", "[iamTags] %v", err)
		}
	}
	out := []string{}
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		if v.Kind == kind && v.Ended.IsZero() && v.tagged(filters) {
			out = append(out, v.Name)
		}
	}
	return out, nil
}

func (v *service) tagged(filters map[string][]tagFilter) bool {
	for key, list := range filters {
		for _, f := range list {
			got, ok := v.Tags[key]
			hit := false
			switch f.Operator {
			case "", "EQ":
				hit = ok && got == f.Value
			case "NEQ":
				hit = got != f.Value
			case "EXISTS":
				hit = ok
			case "NEXISTS":
				hit = !ok
			case "LIKE":
				hit = ok && strings.Contains(got, strings.Trim(f.Value, "%"))
			case "ILIKE":
				hit = ok && strings.Contains(strings.ToLower(got), strings.ToLower(strings.Trim(f.Value, "%")))
			}
			if !hit {
				return false
			}
		}
	}
	return true
}

// urn is the service's identity in IAM.
func (v *service) urn() string {
	kind := map[string]string{KindDedicated: "dedicatedServer", KindVPS: "vps", kindVrack: "vrack"}[v.Kind]
	return "urn:v1:eu:resource:" + kind + ":" + v.Name
}

// iamName is the display name as IAM shows it: a little later than /services does.
func (s *Simulator) iamName(v *service) string {
	if !v.NamedAt.IsZero() && s.now().Before(v.NamedAt.Add(s.delays.Task)) {
		return v.FormerName
	}
	return v.DisplayName
}

func (s *Simulator) rename(v *service, name string) {
	v.FormerName, v.NamedAt, v.DisplayName = s.iamName(v), s.now(), name
}

func (s *Simulator) iam(v *service) object {
	return object{"id": v.UUID, "urn": v.urn(), "displayName": s.iamName(v), "tags": maps.Clone(v.Tags)}
}

func (c *call) getServer() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	where := places[v.Datacenter]
	family := strings.Trim(strings.SplitN(v.Plan, "-", 2)[0], "0123456789")
	commercial := map[string]string{"adv": "advance", "rise": "rise"}[family]
	out := object{
		"name": v.Name, "serverId": v.ID, "ip": v.Address, "datacenter": where.datacenter, "region": where.region, "availabilityZone": where.region + "-a",
		"rack": "A01B02", "commercialRange": commercial, "os": v.OS, "state": v.Health, "powerState": "poweron", "supportLevel": "pro",
		"professionalUse": false, "linkSpeed": 1000, "monitoring": false, "noIntervention": false, "newUpgradeSystem": true, "bootId": v.BootID,
		"bootScript": nil, "efiBootloaderPath": "", "rescueMail": nil, "rescueSshKey": nil, "rootDevice": nil,
		"reverse": v.Reverse[v.Address.String()], "iam": c.s.iam(v),
	}
	maps.Copy(out, v.Settings)
	return out, nil
}

// serverSettings are the properties a PUT may change.
var serverSettings = []string{"bootScript", "efiBootloaderPath", "monitoring", "noIntervention", "rescueMail", "rescueSshKey", "rootDevice"}

func (c *call) putServer() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for _, key := range sortedKeys(in) {
		switch value := in[key]; {
		case key == "bootId":
			n, ok := value.(float64)
			if id := int64(n); !ok || id != bootHarddisk && id != bootRescue {
				return nil, notFound("Netboot %v does not exist", value)
			}
			v.BootID = int64(n)
		case key == "state":
			text, _ := value.(string)
			if !slices.Contains([]string{"error", "hacked", "hackedBlocked", "ok"}, text) {
				return nil, badRequest("Client::BadRequest", "[state] Given data (%v) does not belong to the StateEnum enumeration", value)
			}
			v.Health = text
		case slices.Contains(serverSettings, key):
			v.Settings[key] = value
		}
	}
	return nil, nil
}

func (c *call) serverIPs() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	return []string{v.Address.String() + "/32"}, nil
}

// mac asks the Machines.
func (s *Simulator) mac(v *service, private bool) string { return s.machines.MAC(v.Name, private) }

// interfaces are a server's virtual network interfaces: a public and a private one, or both in one aggregation.
func (s *Simulator) interfaces(v *service) []object {
	var vrack any
	if v.Interface.Vrack != "" {
		vrack = v.Interface.Vrack
	}
	public, private := s.mac(v, false), s.mac(v, true)
	if v.Interface.Aggregate {
		return []object{{
			"uuid": v.Interface.UUID, "name": v.Interface.Name, "mode": "vrack_aggregation", "enabled": true, "serverName": v.Name, "vrack": vrack,
			"networkInterfaceController": []string{public, private},
		}}
	}
	return []object{
		{
			"uuid": v.Interface.Public, "name": "eth0", "mode": "public", "enabled": true, "serverName": v.Name, "vrack": nil,
			"networkInterfaceController": []string{public},
		},
		{
			"uuid": v.Interface.UUID, "name": "eth1", "mode": "vrack", "enabled": !v.Interface.Disabled, "serverName": v.Name, "vrack": vrack,
			"networkInterfaceController": []string{private},
		},
	}
}

func (c *call) listInterfaces() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, i := range c.s.interfaces(v) {
		mode, _ := i["mode"].(string)
		name, _ := i["name"].(string)
		vrack, _ := i["vrack"].(string)
		if c.matches("mode", mode) && c.matches("name", name) && c.matches("vrack", vrack) {
			out = append(out, i["uuid"])
		}
	}
	return out, nil
}

func (c *call) getInterface() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	for _, i := range c.s.interfaces(v) {
		if i["uuid"] == c.param("uuid") {
			return i, nil
		}
	}
	return nil, noObject("uuid", c.param("uuid"))
}

func (c *call) listControllers() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	out := []string{}
	if c.matches("linkType", "public") {
		out = append(out, c.s.mac(v, false))
	}
	if c.matches("linkType", "private") {
		out = append(out, c.s.mac(v, true))
	}
	return out, nil
}

func (c *call) getController() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	for _, i := range c.s.interfaces(v) {
		macs, _ := i["networkInterfaceController"].([]string)
		if slices.Contains(macs, c.param("mac")) {
			kind := "public"
			if c.param("mac") == c.s.mac(v, true) {
				kind = "private"
			}
			return object{"linkType": kind, "mac": c.param("mac"), "virtualNetworkInterface": i["uuid"]}, nil
		}
	}
	return nil, noObject("mac", c.param("mac"))
}

func (c *call) aggregate() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	var in struct {
		Name       string   `json:"name"`
		Interfaces []string `json:"virtualNetworkInterfaces"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if v.Interface.Aggregate || !slices.Contains(in.Interfaces, v.Interface.UUID) || !slices.Contains(in.Interfaces, v.Interface.Public) {
		return nil, badRequest("Client::BadRequest", "These interfaces cannot be aggregated")
	}
	v.Interface.Name = in.Name
	return c.renderTask(c.s.newTask(v, olaGroup, "Aggregating interfaces")), nil
}

func (c *call) resetAggregate() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	var in struct {
		Interface string `json:"virtualNetworkInterface"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Interface != v.Interface.UUID && in.Interface != v.Interface.Public {
		return nil, noObject("virtualNetworkInterface", in.Interface)
	}
	return c.renderTask(c.s.newTask(v, olaUngroup, "Resetting interfaces")), nil
}

func (c *call) listBoots() (any, error) {
	if _, err := c.server(); err != nil {
		return nil, err
	}
	out := []int64{}
	if c.matches("bootType", "harddisk") {
		out = append(out, bootHarddisk)
	}
	if c.matches("bootType", "rescue") {
		out = append(out, bootRescue)
	}
	return out, nil
}

func (c *call) getBoot() (any, error) {
	if _, err := c.server(); err != nil {
		return nil, err
	}
	id, err := c.number("bootId")
	if err != nil {
		return nil, err
	}
	switch id {
	case bootHarddisk:
		return object{"bootId": id, "bootType": "harddisk", "description": "Boot from the first disk", "kernel": "hd"}, nil
	case bootRescue:
		return object{"bootId": id, "bootType": "rescue", "description": "Debian 12 rescue system", "kernel": "rescue-customer"}, nil
	}
	return nil, noObject("bootId", id)
}

func (c *call) rebootServer() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	if c.s.busy(v, "hardReboot") != nil || c.s.busy(v, "reinstallServer") != nil {
		return nil, taskExists(v)
	}
	return c.renderTask(c.s.newTask(v, "hardReboot", "Hard reboot")), nil
}

func (c *call) serverVracks() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	if v.Interface.Vrack == "" {
		return []string{}, nil
	}
	return []string{v.Interface.Vrack}, nil
}

func (c *call) serverOptions() (any, error) {
	if _, err := c.server(); err != nil {
		return nil, err
	}
	return []string{"BANDWIDTH", "BANDWIDTH_VRACK"}, nil
}
