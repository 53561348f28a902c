package ovhsim

import "strconv"

func (c *call) vrack() (*service, error) { return c.living(kindVrack) }

func (c *call) getVrack() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	return object{"name": v.DisplayName, "description": v.Description, "serviceName": v.Name, "iam": c.s.iam(v)}, nil
}

func (c *call) putVrack() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if name, ok := in["name"].(string); ok {
		c.s.rename(v, name)
	}
	if text, ok := in["description"].(string); ok {
		v.Description = text
	}
	return nil, nil
}

// plugged finds the servers whose private interface is in a vRack; an empty name finds those that are in none.
func (s *Simulator) plugged(vrack string) []*service {
	var out []*service
	for _, id := range sortedKeys(s.st.Services) {
		v := s.st.Services[id]
		if v.Kind == KindDedicated && v.Ended.IsZero() && v.Interface.Vrack == vrack {
			out = append(out, v)
		}
	}
	return out
}

func details(list []*service) []object {
	out := []object{}
	for _, v := range list {
		out = append(out, object{"dedicatedServer": v.Name, "dedicatedServerInterface": v.Interface.UUID, "name": v.Interface.Name})
	}
	return out
}

func (c *call) allowedServices() (any, error) {
	if _, err := c.vrack(); err != nil {
		return nil, err
	}
	out := object{}
	for _, family := range []string{
		"cloudProject", "dedicatedCloud", "dedicatedCloudDatacenter", "dedicatedConnect", "dedicatedServer", "ip", "ipLoadbalancing", "ipv6", "legacyVrack",
		"ovhCloudConnect", "vmwareCloudDirectorVirtualDataCenter", "vrackServices",
	} {
		out[family] = nil
	}
	out["dedicatedServerInterface"] = nil
	if c.matches("serviceFamily", "dedicatedServerInterface") {
		out["dedicatedServerInterface"] = details(c.s.plugged(""))
	}
	return out, nil
}

func (c *call) vrackInterfaces() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, server := range c.s.plugged(v.Name) {
		out = append(out, server.Interface.UUID)
	}
	return out, nil
}

func (c *call) vrackInterfaceDetails() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	return details(c.s.plugged(v.Name)), nil
}

func (c *call) vrackInterface() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	for _, server := range c.s.plugged(v.Name) {
		if server.Interface.UUID == c.param("dedicatedServerInterface") {
			return object{"dedicatedServerInterface": server.Interface.UUID, "vrack": v.Name}, nil
		}
	}
	return nil, noObject("dedicatedServerInterface", c.param("dedicatedServerInterface"))
}

// vrackTask plans a change of a server's private interface. The task belongs to the vRack, and vanishes when it is done.
func (c *call) vrackTask(v, server *service, function, vrack string) (any, error) {
	for _, id := range sortedKeys(c.s.st.Tasks) {
		if t := c.s.st.Tasks[id]; t.open() && t.Kind == kindVrack && t.Service == server.ID {
			return nil, refusal(409, "Client::Conflict", "A task is already running on %s", server.Interface.UUID)
		}
	}
	t := c.s.newTask(server, function, v.Name)
	t.Kind, t.Attach = kindVrack, vrack
	return renderVrackTask(t), nil
}

func (c *call) attachInterface() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	var in struct {
		Interface string `json:"dedicatedServerInterface"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(c.s.st.Services) {
		server := c.s.st.Services[id]
		if server.Kind != KindDedicated || !server.Ended.IsZero() || server.Interface.UUID != in.Interface {
			continue
		}
		if server.Interface.Vrack != "" {
			return nil, refusal(409, "Client::Conflict", "Interface %s is already in vRack %s", in.Interface, server.Interface.Vrack)
		}
		return c.vrackTask(v, server, "addDedicatedServerInterfaceToVrack", v.Name)
	}
	return nil, noObject("dedicatedServerInterface", in.Interface)
}

func (c *call) detachInterface() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	for _, server := range c.s.plugged(v.Name) {
		if server.Interface.UUID == c.param("dedicatedServerInterface") {
			return c.vrackTask(v, server, "removeDedicatedServerInterfaceFromVrack", detach)
		}
	}
	return nil, noObject("dedicatedServerInterface", c.param("dedicatedServerInterface"))
}

func (c *call) vrackTasks() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	out := []int64{}
	for _, id := range sortedKeys(c.s.st.Tasks) {
		if t := c.s.st.Tasks[id]; t.Kind == kindVrack && t.Comment == v.Name {
			out = append(out, id)
		}
	}
	return out, nil
}

func (c *call) getVrackTask() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	id, err := c.number("taskId")
	if err != nil {
		return nil, err
	}
	t := c.s.st.Tasks[id]
	if t == nil || t.Kind != kindVrack || t.Comment != v.Name {
		return nil, noObject("taskId", strconv.FormatInt(id, 10))
	}
	return renderVrackTask(t), nil
}

func renderVrackTask(t *task) object {
	status := t.Status
	if status == "error" {
		status = "cancelled"
	}
	return object{
		"id": t.ID, "function": t.Function, "status": status, "serviceName": t.Comment, "targetDomain": t.Target, "orderId": nil, "lastUpdate": stamp(t.Updated),
		"todoDate": stamp(t.Started),
	}
}

func (c *call) noLegacyServers() (any, error) {
	if _, err := c.vrack(); err != nil {
		return nil, err
	}
	return []string{}, nil
}
