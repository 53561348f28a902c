package ovhsim

import (
	"context"
	"errors"
	"testing"
)

const projectPath = "/cloud/project/" + CloudProject

func wishedInstance() map[string]any {
	return map[string]any{
		"name": "mine", "flavorId": identity("flavor", "c3-64", "GRA11"), "imageId": identity("image", "Debian 12", "GRA11"), "region": "GRA11", "monthlyBilling": false,
		"userData": "#cloud-config\n" + `{"hostname":"gra-worker-1","ssh_authorized_keys":["` + testKey + `"]}`,
	}
}

// instances shows every answer about instances.
func (o *tour) instances() {
	o.call("GET", projectPath+"/flavor", nil, nil)
	o.call("GET", projectPath+"/image", nil, nil)
	o.seen[Route{"GET", "/cloud/project/{serviceName}/flavor"}] = true // too long for a golden; an instance shows its own
	o.seen[Route{"GET", "/cloud/project/{serviceName}/image"}] = true
	id, _ := o.show("POST", projectPath+"/instance", wishedInstance())["id"].(string)
	path := projectPath + "/instance/" + id
	o.wait("instance", func() bool {
		o.step()
		var got struct{ Status string }
		o.call("GET", path, nil, &got)
		return got.Status == "ACTIVE"
	})
	o.show("GET", projectPath+"/instance?region=GRA11", nil)
	o.show("GET", path, nil)
	o.show("DELETE", path, nil)
	o.refused("GET", path, nil, 404, "does not exist")
}

// TestInstanceRefusals: what OVH would say no to.
func TestInstanceRefusals(t *testing.T) {
	b := newBench(t, Options{})
	b.sim.SetStock("c3-64", "RBX-A", false)
	for _, c := range []struct {
		key    string
		value  any
		status int
		text   string
	}{
		{"name", "", 400, "Missing parameter"},
		{"region", "MARS1", 400, "MARS1"},
		{"flavorId", "none", 404, "flavorId"},
		{"imageId", "none", 404, "imageId"},
		{"monthlyBilling", true, 400, "no monthly plan"},
		{"userData", "#!/bin/sh", 400, "userData"},
	} {
		wish := wishedInstance()
		wish[c.key] = c.value
		b.refused("POST", projectPath+"/instance", wish, c.status, c.text)
	}
	wish := wishedInstance()
	wish["region"], wish["flavorId"], wish["imageId"] = "RBX-A", identity("flavor", "c3-64", "RBX-A"), identity("image", "Debian 12", "RBX-A")
	b.refused("POST", projectPath+"/instance", wish, 412, "not available in region RBX-A")
	b.refused("GET", projectPath+"/flavor?region=MARS1", nil, 400, "MARS1")
	b.refused("GET", "/cloud/project/0000/instance", nil, 404, "serviceName")
	if list := b.sim.Instances(); len(list) != 0 {
		t.Errorf("instances %+v", list)
	}
}

// noRoom are machines that never start.
type noRoom struct{ NoMachines }

func (noRoom) Install(context.Context, Machine) error { return errors.New("no valid host was found") }

// TestAnInstanceThatFails is ERROR, as Nova has it, and can be deleted.
func TestAnInstanceThatFails(t *testing.T) {
	b := newBench(t, Options{Machines: noRoom{}})
	var made struct{ ID, Status string }
	b.call("POST", projectPath+"/instance", wishedInstance(), &made)
	b.wait("error", func() bool { return b.sim.Instances()[0].Status == "ERROR" })
	b.call("DELETE", projectPath+"/instance/"+made.ID, nil, nil)
	if got := b.sim.Instances()[0]; got.Status != "DELETED" || got.Ended.IsZero() {
		t.Errorf("instance %+v", got)
	}
}
