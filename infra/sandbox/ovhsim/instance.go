package ovhsim

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The answers have the shapes of OVH's own description of /cloud/project/{serviceName}/instance, flavor and image. An instance is a service of its own kind, so that the routes
// of addresses know it as OVH's do; its time costs money without any order, and stops when it is deleted.

// KindInstance is an instance of Public Cloud.
const KindInstance = "instance"

// flavor is a size of instances. Hourly is in 1e-4 euros.
type flavor struct {
	name               string
	vcpus, memory, gib int
	hourly             int64
}

// flavors are some of OVH's, with the prices of its list for France as far as it shows them: rounded to a cent.
var flavors = []flavor{
	{"b3-8", 2, 8, 50, 464}, {"b3-16", 4, 16, 100, 928}, {"b3-32", 8, 32, 200, 1856}, {"b3-64", 16, 64, 400, 3712},
	{"c3-4", 2, 4, 50, 415}, {"c3-8", 4, 8, 100, 830}, {"c3-16", 8, 16, 200, 1660}, {"c3-32", 16, 32, 400, 3320}, {"c3-64", 32, 64, 400, 6640},
	{"d2-8", 4, 8, 50, 360},
}

// cloudRegions are some of OVH's.
var cloudRegions = []string{"BHS5", "DE1", "GRA9", "GRA11", "RBX-A", "SBG5", "UK1", "WAW1"}

func (f flavor) code() string { return f.name + ".consumption" }

// identity is the id of something that each region has its own of.
func identity(kind, name, region string) string { return imageID(kind + " " + name + " " + region) }

func (c *call) region() ([]string, error) {
	region := c.query.Get("region")
	switch {
	case region == "":
		return cloudRegions, nil
	case !slices.Contains(cloudRegions, region):
		return nil, badRequest("Client::BadRequest", "[region] Given data (%s) is not valid for type region", region)
	}
	return []string{region}, nil
}

func (c *call) renderFlavor(f flavor, region string) object {
	return object{
		"id": identity("flavor", f.name, region), "name": f.name, "region": region, "ram": f.memory * 1000, "disk": f.gib, "vcpus": f.vcpus, "type": "ovh.ssd.eg", "osType": "linux",
		"inboundBandwidth": 4000, "outboundBandwidth": 4000, "available": !c.s.soldOut(f.name, region), "quota": 20,
		"planCodes": object{"hourly": f.code(), "monthly": nil}, "capabilities": []object{},
	}
}

func (c *call) listFlavors() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	regions, err := c.region()
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, region := range regions {
		for _, f := range flavors {
			out = append(out, c.renderFlavor(f, region))
		}
	}
	return out, nil
}

func renderCloudImage(name, region string) object {
	return object{
		"id": identity("image", name, region), "name": name, "region": region, "status": "active", "type": "linux", "user": "debian", "visibility": "public", "flavorType": nil,
		"minDisk": 0, "minRam": 0, "size": 2, "tags": []string{}, "planCode": nil, "creationDate": stamp(accountSince),
	}
}

func (c *call) listCloudImages() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	regions, err := c.region()
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, region := range regions {
		for _, name := range images {
			out = append(out, renderCloudImage(name, region))
		}
	}
	return out, nil
}

// instanceStatus is Nova's word for where it stands.
func (s *Simulator) instanceStatus(v *service) string {
	switch {
	case v.Health == "error":
		return "ERROR"
	case s.busy(v, "") != nil:
		return "BUILD"
	case v.Installed == nil:
		return "ERROR"
	}
	return "ACTIVE"
}

func (c *call) renderInstance(v *service, detail bool) object {
	addresses := []object{}
	status := c.s.instanceStatus(v)
	if status == "ACTIVE" {
		addresses = append(addresses, object{"ip": v.Address.String(), "type": "public", "version": 4, "gatewayIp": nil, "networkId": "Ext-Net"})
	}
	out := object{
		"id": v.Name, "name": v.DisplayName, "region": v.Region, "status": status, "created": stamp(v.Created), "planCode": v.Plan, "monthlyBilling": nil, "ipAddresses": addresses,
		"sshKey": nil,
	}
	i := slices.IndexFunc(flavors, func(f flavor) bool { return f.code() == v.Plan })
	if detail && i >= 0 {
		out["flavor"], out["image"] = c.renderFlavor(flavors[i], v.Region), renderCloudImage(v.OS, v.Region)
	} else if i >= 0 {
		out["flavorId"], out["imageId"] = identity("flavor", flavors[i].name, v.Region), identity("image", v.OS, v.Region)
	}
	return out
}

// instance is one that lives.
func (c *call) instance() (*service, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(c.s.st.Services) {
		if v := c.s.st.Services[id]; v.Kind == KindInstance && v.Ended.IsZero() && v.Name == c.param("instanceId") {
			return v, nil
		}
	}
	return nil, noObject("instanceId", c.param("instanceId"))
}

func (c *call) listInstances() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	out := []object{}
	for _, id := range sortedKeys(c.s.st.Services) {
		if v := c.s.st.Services[id]; v.Kind == KindInstance && v.Ended.IsZero() && c.matches("region", v.Region) {
			out = append(out, c.renderInstance(v, false))
		}
	}
	return out, nil
}

func (c *call) getInstance() (any, error) {
	v, err := c.instance()
	if err != nil {
		return nil, err
	}
	return c.renderInstance(v, true), nil
}

// cloudInit is what the simulator understands of user data: JSON, which is YAML too.
func cloudInit(text string) (hostname string, keys []string, err error) {
	rest, found := strings.CutPrefix(text, "#cloud-config\n")
	var in struct {
		Hostname string   `json:"hostname"`
		Keys     []string `json:"ssh_authorized_keys"`
	}
	if !found || json.Unmarshal([]byte(rest), &in) != nil {
		return "", nil, badRequest("Client::BadRequest", "userData is simulated only as #cloud-config in JSON")
	}
	return in.Hostname, in.Keys, nil
}

func (c *call) createInstance() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	var in struct {
		Name           string `json:"name"`
		FlavorID       string `json:"flavorId"`
		ImageID        string `json:"imageId"`
		Region         string `json:"region"`
		UserData       string `json:"userData"`
		MonthlyBilling bool   `json:"monthlyBilling"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	sold := slices.IndexFunc(flavors, func(f flavor) bool { return identity("flavor", f.name, in.Region) == in.FlavorID })
	system := slices.IndexFunc(images, func(name string) bool { return identity("image", name, in.Region) == in.ImageID })
	switch {
	case in.Name == "" || in.FlavorID == "" || in.Region == "":
		return nil, badRequest("Client::BadRequest", "Missing parameter(s): name, flavorId or region")
	case !slices.Contains(cloudRegions, in.Region):
		return nil, badRequest("Client::BadRequest", "[region] Given data (%s) is not valid for type region", in.Region)
	case sold < 0:
		return nil, noObject("flavorId", in.FlavorID)
	case system < 0:
		return nil, noObject("imageId", in.ImageID)
	case in.MonthlyBilling:
		return nil, badRequest("Client::BadRequest", "Flavor %s has no monthly plan", flavors[sold].name)
	case c.s.soldOut(flavors[sold].name, in.Region):
		return nil, refusal(412, "Client::PreconditionFailed", "Flavor %s is not available in region %s", flavors[sold].name, in.Region)
	}
	hostname, authorized, err := cloudInit(in.UserData)
	if err != nil {
		return nil, err
	}
	address, err := c.s.freeAddress()
	if err != nil {
		return nil, internal("%v", err)
	}
	centre := strings.ToLower(strings.TrimRight(strings.SplitN(in.Region, "-", 2)[0], "0123456789"))
	v := &service{
		ID: c.s.st.id(), Kind: KindInstance, Name: c.s.st.uuid("instance"), UUID: c.s.st.uuid("service"), DisplayName: in.Name, Plan: flavors[sold].code(), PlanName: flavors[sold].name,
		Product: "publiccloud-instance", Datacenter: centre, Region: in.Region, Address: address, Created: c.now, Tags: map[string]string{}, Settings: map[string]any{},
		Reverse: map[string]string{}, OS: images[system], Health: "ok",
	}
	c.s.st.Services[v.ID] = v
	t := c.s.newTask(v, "createInstance", "Building the instance")
	t.Machine = &Machine{ServiceName: v.Name, Kind: KindInstance, Datacenter: centre, Address: address, Hostname: firstOf(hostname, v.Name), AuthorizedKeys: authorized, OS: v.OS}
	return c.renderInstance(v, true), nil
}

func (c *call) deleteInstance() (any, error) {
	v, err := c.instance()
	if err != nil {
		return nil, err
	}
	c.s.end(v)
	return nil, nil
}

// InstanceView is an instance as the control address shows it, ended ones too.
type InstanceView struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Flavor  string     `json:"flavor"`
	Region  string     `json:"region"`
	Status  string     `json:"status"` // DELETED once it ended
	Address netip.Addr `json:"address"`
	Created time.Time  `json:"created"`
	Ended   time.Time  `json:"ended"` // zero while it lives, and costs
}

// Instances lists everything that was ever made, in that order.
func (s *Simulator) Instances() []InstanceView {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := []InstanceView{}
	for _, id := range sortedKeys(s.st.Services) {
		v := s.st.Services[id]
		if v.Kind != KindInstance {
			continue
		}
		view := InstanceView{ID: v.Name, Name: v.DisplayName, Flavor: v.PlanName, Region: v.Region, Status: "DELETED", Address: v.Address, Created: v.Created, Ended: v.Ended}
		if v.Ended.IsZero() {
			view.Status = s.instanceStatus(v)
		}
		out = append(out, view)
	}
	return out
}
