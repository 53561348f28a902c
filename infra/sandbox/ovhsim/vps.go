package ovhsim

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"
)

func (c *call) vps() (*service, error) { return c.living(KindVPS) }

// vpsSize reads the technical part of a plan in the catalogue: cores, memory in MB, disk in GB.
func vpsSize(code string) (cores, memory, disk int) {
	p := findPlan(products["vps"].Plans, code)
	if p == nil {
		return 1, 2048, 20
	}
	number := func(path ...string) int {
		var at any = p.Blobs
		for _, key := range path {
			if fields, ok := at.(object); ok {
				at = fields[key]
			}
			if list, ok := at.([]any); ok && len(list) > 0 {
				at = list[0]
			}
		}
		n, _ := at.(float64)
		return int(n)
	}
	return number("technical", "cpu", "cores"), number("technical", "memory", "size") * 1024, number("technical", "storage", "disks", "capacity")
}

// booted is the setting that keeps what a VPS booted last, which netbootMode tells only of the next time.
const booted = "booted"

func (v *service) booted() string {
	if v.Settings[booted] == "rescue" {
		return "rescue"
	}
	return "local"
}

func (c *call) vpsState(v *service) string {
	switch {
	case c.s.busy(v, "reinstallVm") != nil, c.s.busy(v, "deliverVm") != nil:
		return "installing"
	case c.s.busy(v, "rebootVm") != nil:
		return "rebooting"
	case v.booted() == "rescue":
		return "rescued"
	}
	return "running"
}

func (c *call) getVPS() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	cores, memory, disk := vpsSize(v.Plan)
	netboot := "local"
	if mode, ok := v.Settings["netbootMode"].(string); ok {
		netboot = mode
	}
	return object{
		"name": v.Name, "displayName": v.DisplayName, "cluster": "cluster-" + v.Datacenter, "state": c.vpsState(v),
		"zone": "Region OpenStack: " + places[v.Datacenter].cluster, "zoneType": "region", "offerType": "ssd", "vcore": cores, "memoryLimit": memory,
		"netbootMode": netboot, "keymap": v.Settings["keymap"], "slaMonitoring": v.Settings["slaMonitoring"] == true, "monitoringIpBlocks": []string{},
		"model": object{
			"name": v.Plan, "offer": v.PlanName, "version": "2019v1", "vcore": cores, "memory": memory, "disk": disk, "datacenter": []string{},
			"availableOptions": []string{}, "maximumAdditionnalIp": 16,
		},
		"iam": c.s.iam(v),
	}, nil
}

func (c *call) putVPS() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for _, key := range sortedKeys(in) {
		switch key {
		case "displayName":
			name, ok := in[key].(string)
			if !ok || utf8.RuneCountInString(name) > 50 {
				return nil, badRequest("Client::BadRequest", "[displayName] must be a string of at most 50 characters")
			}
			c.s.rename(v, name)
		case "netbootMode":
			if in[key] != "local" && in[key] != "rescue" {
				return nil, badRequest("Client::BadRequest", "[netbootMode] Given data (%v) does not belong to the VpsNetbootEnum enumeration", in[key])
			}
			if v.Settings[key] != in[key] {
				c.s.newTask(v, "setNetboot", "Changing the boot mode")
			}
			v.Settings[key] = in[key]
		case "keymap", "slaMonitoring":
			v.Settings[key] = in[key]
		}
	}
	return nil, nil
}

func (c *call) vpsIPs() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	return []string{v.Address.String()}, nil
}

func (c *call) vpsIP() (*service, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	if c.param("ipAddress") != v.Address.String() {
		return nil, noObject("ipAddress", c.param("ipAddress"))
	}
	return v, nil
}

func (c *call) getVPSIP() (any, error) {
	v, err := c.vpsIP()
	if err != nil {
		return nil, err
	}
	a := v.Address.As4()
	var reverse any
	if name, ok := v.Reverse[v.Address.String()]; ok {
		reverse = name
	}
	return object{
		"ipAddress": v.Address, "type": "primary", "version": "v4", "gateway": fmt.Sprintf("%d.%d.%d.1", a[0], a[1], a[2]), "macAddress": c.s.mac(v, false),
		"reverse": reverse, "geolocation": places[v.Datacenter].geolocation,
	}, nil
}

func (c *call) putVPSIP() (any, error) {
	v, err := c.vpsIP()
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if name, ok := in["reverse"].(string); ok {
		v.Reverse[v.Address.String()] = name
	}
	return nil, nil
}

// images are the systems of a VPS, by name; their identities are stable.
var images = []string{"Debian 12", "Debian 13", "Ubuntu 24.04"}

func imageID(name string) string {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte("image "+name)))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

func imageName(id string) string {
	for _, name := range images {
		if imageID(name) == id {
			return name
		}
	}
	return ""
}

func (c *call) listImages() (any, error) {
	if _, err := c.vps(); err != nil {
		return nil, err
	}
	out := []string{}
	for _, name := range images {
		out = append(out, imageID(name))
	}
	return out, nil
}

func (c *call) getImage() (any, error) {
	if _, err := c.vps(); err != nil {
		return nil, err
	}
	name := imageName(c.param("id"))
	if name == "" {
		return nil, noObject("id", c.param("id"))
	}
	return object{"id": c.param("id"), "name": name}, nil
}

func (c *call) currentImage() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	return object{"id": imageID(v.OS), "name": v.OS}, nil
}

func (c *call) rebuild() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	var in struct {
		ImageID    string `json:"imageId"`
		PublicKey  string `json:"publicSshKey"`
		KeyName    string `json:"sshKey"`
		NoPassword bool   `json:"doNotSendPassword"`
		RTM        bool   `json:"installRTM"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	name := imageName(in.ImageID)
	stored := c.s.st.SSHKeys[in.KeyName]
	switch {
	case in.ImageID == "":
		return nil, badRequest("Client::BadRequest", "Missing parameter(s): imageId")
	case name == "":
		return nil, noObject("imageId", in.ImageID)
	case in.KeyName != "" && stored == "":
		return nil, noObject("sshKey", in.KeyName)
	case in.PublicKey != "" && !validKey(in.PublicKey):
		return nil, badRequest("Client::BadRequest", "Invalid public SSH key")
	case c.s.busy(v, "") != nil:
		return nil, runningTasks()
	}
	t := c.s.newTask(v, "reinstallVm", "Reinstalling the VPS")
	t.Machine = &Machine{
		ServiceName: v.Name, Kind: v.Kind, Datacenter: v.Datacenter, Address: v.Address, Hostname: firstOf("", v.Name), AuthorizedKeys: keys(in.PublicKey, stored), OS: name,
	}
	return c.renderVPSTask(t), nil
}

func runningTasks() error {
	return badRequest("Client::BadRequest", "Action not available while there are running tasks on the VPS")
}

func (c *call) rebootVPS() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	if c.s.busy(v, "") != nil {
		return nil, runningTasks()
	}
	return c.renderVPSTask(c.s.newTask(v, "rebootVm", "Rebooting the VPS")), nil
}

// vpsStatus translates a task's state into a VPS's words.
func vpsStatus(status string) string {
	if status == "init" {
		return "todo"
	}
	return status
}

func (c *call) vpsTasks() (any, error) { return c.listTasks(KindVPS, "type", "state", vpsStatus) }

func (c *call) vpsTask() (any, error) {
	t, err := c.task(KindVPS, "id")
	if err != nil {
		return nil, err
	}
	return c.renderVPSTask(t), nil
}

func (c *call) renderVPSTask(t *task) object {
	progress := map[string]int{"doing": 50, "done": 100}[t.Status]
	return object{"id": t.ID, "type": t.Function, "state": vpsStatus(t.Status), "progress": progress, "date": stamp(t.Started)}
}

func (c *call) vpsDatacenter() (any, error) {
	v, err := c.vps()
	if err != nil {
		return nil, err
	}
	return object{"country": places[v.Datacenter].country, "longName": strings.ToUpper(v.Datacenter), "name": v.Datacenter}, nil
}

func (c *call) vpsOSChoices() (any, error) {
	out := []object{}
	for _, name := range images {
		if c.matches("os", name) {
			out = append(out, object{"name": name, "status": "available"})
		}
	}
	return object{"choices": out}, nil
}
