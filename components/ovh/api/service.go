package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"havre/components/ovh/order"
)

// IAM is the part of a service by which ownership is written down.
type IAM struct {
	URN         string            `json:"urn"`
	DisplayName string            `json:"displayName"`
	Tags        map[string]string `json:"tags"`
}

// Service is something that an order bought.
type Service struct {
	Name       string
	Address    string // public IPv4; empty for a vRack
	Datacenter string // "rbx8" of a server, the region's city such as "gra" of a VPS; empty for a vRack
	State      string // ok, error, hacked, hackedBlocked; running, stopped, … of a VPS; ok of a vRack
	OS         string // of a server; "none_64" when nothing is installed
	IAM        IAM
}

func base(kind order.Kind, name string) string {
	return kind.Traits().Route + "/" + url.PathEscape(name)
}

// Service reads a service. IsNotFound and IsExpired tell what became of it.
func (c *Client) Service(ctx context.Context, kind order.Kind, name string) (Service, error) {
	var out struct {
		IP         string `json:"ip"`
		Datacenter string `json:"datacenter"`
		State      string `json:"state"`
		OS         string `json:"os"`
		Zone       string `json:"zone"`
		IAM        IAM    `json:"iam"`
	}
	if err := c.get(ctx, base(kind, name), &out); err != nil {
		return Service{Name: name}, err
	}
	s := Service{Name: name, Address: out.IP, Datacenter: out.Datacenter, State: out.State, OS: out.OS, IAM: out.IAM}
	switch kind {
	case order.Vrack:
		s.State = "ok" // OVH tells no state of a vRack
	case order.VPS:
		// "Region OpenStack: os-gra6" is the only place where a VPS says where it stands.
		zone := out.Zone
		if i := strings.LastIndexAny(zone, " -"); i >= 0 {
			zone = zone[i+1:]
		}
		s.Datacenter = strings.ToLower(strings.TrimRight(zone, "0123456789"))
		var ips []string
		if err := c.get(ctx, base(kind, name)+"/ips", &ips); err != nil {
			return s, err
		}
		for _, ip := range ips {
			if a, err := netip.ParseAddr(ip); err == nil && a.Is4() {
				s.Address = ip
				break
			}
		}
	}
	return s, nil
}

// Services lists the names of the account's services of a kind that carry a tag of that value. OVH's filter is asked for, and not relied upon: the caller
// compares the tags of what comes back.
func (c *Client) Services(ctx context.Context, kind order.Kind, tag, value string) ([]string, error) {
	path := kind.Traits().Route
	if tag != "" {
		filter, err := json.Marshal(map[string]any{tag: []map[string]string{{"operator": "EQ", "value": value}}})
		if err != nil {
			return nil, err
		}
		path += "?iamTags=" + url.QueryEscape(string(filter))
	}
	var names []string
	return names, c.get(ctx, path, &names)
}

// Tag writes one tag; one of the same key is replaced.
func (c *Client) Tag(ctx context.Context, urn, key, value string) error {
	return c.postAgain(ctx, "/v2/iam/resource/"+url.PathEscape(urn)+"/tag", map[string]any{"key": key, "value": value}, nil)
}

// Untag removes a tag.
func (c *Client) Untag(ctx context.Context, urn, key string) error {
	return c.delete(ctx, "/v2/iam/resource/"+url.PathEscape(urn)+"/tag/"+url.PathEscape(key))
}

// Renew is how a service goes on at its expiry.
type Renew struct {
	Automatic          bool  `json:"automatic"`
	DeleteAtExpiration bool  `json:"deleteAtExpiration"`
	Forced             bool  `json:"forced"`
	ManualPayment      *bool `json:"manualPayment,omitempty"`
	Period             *int  `json:"period,omitempty"`
}

// ServiceInfo is the contract of a service.
type ServiceInfo struct {
	ID         int64  `json:"serviceId"`
	Status     string `json:"status"`     // ok, expired, unPaid, pendingDebt, …
	Creation   string `json:"creation"`   // a day, such as 2026-11-21
	Expiration string `json:"expiration"` // a day: paid for until then
	Renew      Renew  `json:"renew"`
}

// ServiceInfo reads the contract of a service.
func (c *Client) ServiceInfo(ctx context.Context, kind order.Kind, name string) (ServiceInfo, error) {
	var out ServiceInfo
	return out, c.get(ctx, base(kind, name)+"/serviceInfos", &out)
}

// SetRenew changes how a service goes on at its expiry. Straight after a delivery OVH refuses it for some minutes.
func (c *Client) SetRenew(ctx context.Context, kind order.Kind, name string, r Renew) error {
	return c.put(ctx, base(kind, name)+"/serviceInfos", map[string]any{"renew": r})
}

// SetDisplayName sets the name that OVH's manager shows. Id is the service's number, which only a dedicated server is named by.
func (c *Client) SetDisplayName(ctx context.Context, kind order.Kind, name string, id int64, display string) error {
	switch kind {
	case order.VPS:
		return c.put(ctx, base(kind, name), map[string]any{"displayName": display})
	case order.Vrack:
		return c.put(ctx, base(kind, name), map[string]any{"name": display})
	}
	return c.put(ctx, fmt.Sprintf("/services/%d", id), map[string]any{"displayName": display})
}

// ServicePlan is the plan code of a service and its price a month, net, as its bill has them. It serves imports.
func (c *Client) ServicePlan(ctx context.Context, id int64) (code string, monthly Amount, err error) {
	var out struct {
		Billing struct {
			Plan struct {
				Code string `json:"code"`
			} `json:"plan"`
			Pricing struct {
				Price Amount `json:"price"`
			} `json:"pricing"`
		} `json:"billing"`
	}
	err = c.get(ctx, fmt.Sprintf("/services/%d", id), &out)
	return out.Billing.Plan.Code, out.Billing.Pricing.Price, err
}

// Task is a piece of work of OVH's on a server or VPS.
type Task struct {
	ID       int64
	Function string
	Status   string // init todo doing done, or one of the ends below
	Comment  string
}

// Running says whether the task still goes on.
func (t Task) Running() bool {
	switch t.Status {
	case "init", "todo", "doing", "waitingAck", "paused", "blocked":
		return true
	}
	return false
}

type rawTask struct {
	TaskID   int64  `json:"taskId"`
	Function string `json:"function"`
	ID       int64  `json:"id"`
	Type     string `json:"type"`
	State    string `json:"state"`
	Status   string `json:"status"`
	Comment  string `json:"comment"`
}

func (r rawTask) task() Task {
	return Task{ID: max(r.TaskID, r.ID), Function: r.Function + r.Type, Status: r.Status + r.State, Comment: r.Comment}
}

// Task reads one task.
func (c *Client) Task(ctx context.Context, kind order.Kind, name string, id int64) (Task, error) {
	var out rawTask
	err := c.get(ctx, fmt.Sprintf("%s/%s/%d", base(kind, name), kind.Traits().Tasks.List, id), &out)
	return out.task(), err
}

// NewestTask is the highest number of a service's tasks of one function, over or not; 0 when there is none.
func (c *Client) NewestTask(ctx context.Context, kind order.Kind, name, function string) (int64, error) {
	words := kind.Traits().Tasks
	var ids []int64
	if err := c.get(ctx, fmt.Sprintf("%s/%s?%s=%s", base(kind, name), words.List, words.Function, function), &ids); err != nil {
		return 0, err
	}
	newest := int64(0)
	for _, id := range ids {
		newest = max(newest, id)
	}
	return newest, nil
}

// RunningTasks lists the tasks of a service that are not over, of one function or, with "", of any.
func (c *Client) RunningTasks(ctx context.Context, kind order.Kind, name, function string) ([]Task, error) {
	var out []Task
	words := kind.Traits().Tasks
	for _, state := range words.Running {
		q := url.Values{words.State: {state}}
		if function != "" {
			q.Set(words.Function, function)
		}
		var ids []int64
		if err := c.get(ctx, fmt.Sprintf("%s/%s?%s", base(kind, name), words.List, q.Encode()), &ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			t, err := c.Task(ctx, kind, name, id)
			if IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if t.Running() {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// Partition is one line of a server's layout, mirrored over all disks.
type Partition struct {
	MountPoint string `json:"mountPoint"`
	FileSystem string `json:"fileSystem"`
	SizeMiB    int    `json:"size"` // 0: the rest
	RAIDLevel  int    `json:"raidLevel"`
}

// Reinstall wipes a server and installs it. It is never repeated.
func (c *Client) Reinstall(ctx context.Context, name, template, hostname, key string, layout []Partition) (Task, error) {
	in := map[string]any{"operatingSystem": template, "customizations": map[string]any{"hostname": hostname, "sshKey": key}}
	if len(layout) > 0 {
		in["storage"] = []map[string]any{{"diskGroupId": 0, "partitioning": map[string]any{"layout": layout}}}
	}
	var out rawTask
	err := c.post(ctx, base(order.Dedicated, name)+"/reinstall", in, &out)
	return out.task(), err
}

// InstallProgress is what OVH shows while it installs: the step that runs, and its error if it has one.
func (c *Client) InstallProgress(ctx context.Context, name string) (step, failure string, err error) {
	var out struct {
		Progress []struct {
			Comment string `json:"comment"`
			Error   string `json:"error"`
			Status  string `json:"status"`
		} `json:"progress"`
	}
	if err := c.get(ctx, base(order.Dedicated, name)+"/install/status", &out); err != nil {
		return "", "", err
	}
	for _, p := range out.Progress {
		if p.Error != "" {
			failure = p.Comment + ": " + p.Error
		}
		if p.Status == "doing" {
			step = p.Comment
		}
	}
	return step, failure, nil
}

// VPSImage finds the id of an image by its name.
func (c *Client) VPSImage(ctx context.Context, name, image string) (string, error) {
	var ids []string
	if err := c.get(ctx, base(order.VPS, name)+"/images/available", &ids); err != nil {
		return "", err
	}
	var seen []string
	for _, id := range ids {
		var out struct {
			Name string `json:"name"`
		}
		if err := c.get(ctx, base(order.VPS, name)+"/images/available/"+id, &out); err != nil {
			return "", err
		}
		if out.Name == image {
			return id, nil
		}
		seen = append(seen, out.Name)
	}
	return "", fmt.Errorf("image %q is not offered for %s; it has %s", image, name, strings.Join(seen, ", "))
}

// Rebuild wipes a VPS and installs it. It is never repeated.
func (c *Client) Rebuild(ctx context.Context, name, image, key string) (Task, error) {
	var out rawTask
	err := c.post(ctx, base(order.VPS, name)+"/rebuild", map[string]any{"imageId": image, "publicSshKey": key, "doNotSendPassword": true}, &out)
	return out.task(), err
}

// Interface is a virtual network interface of a server.
type Interface struct {
	ID    string   `json:"uuid"`
	Mode  string   `json:"mode"`
	MACs  []string `json:"networkInterfaceController"`
	Vrack string   `json:"vrack"`
}

// MAC is the address of an interface: the one it was known by while it still has it, because an aggregation has those of all that it joins.
func (i Interface) MAC(known string) string {
	if len(i.MACs) == 0 || slices.Contains(i.MACs, known) {
		return known
	}
	return i.MACs[0]
}

// PrivateInterfaces lists a server's interfaces for a vRack, aggregated or not.
func (c *Client) PrivateInterfaces(ctx context.Context, name string) ([]Interface, error) {
	var out []Interface
	for _, mode := range []string{"vrack", "vrack_aggregation"} {
		var ids []string
		if err := c.get(ctx, base(order.Dedicated, name)+"/virtualNetworkInterface?mode="+mode, &ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			i, err := c.Interface(ctx, name, id)
			if err != nil {
				return nil, err
			}
			out = append(out, i)
		}
	}
	return out, nil
}

// Interface reads one interface.
func (c *Client) Interface(ctx context.Context, name, id string) (Interface, error) {
	var i Interface
	return i, c.get(ctx, base(order.Dedicated, name)+"/virtualNetworkInterface/"+id, &i)
}

// VrackMembers lists the interfaces that a vRack joins.
func (c *Client) VrackMembers(ctx context.Context, vrack string) ([]string, error) {
	var ids []string
	return ids, c.get(ctx, base(order.Vrack, vrack)+"/dedicatedServerInterface", &ids)
}

// VrackAttach plugs an interface into a vRack.
func (c *Client) VrackAttach(ctx context.Context, vrack, id string) error {
	return c.post(ctx, "/vrack/"+vrack+"/dedicatedServerInterface", map[string]any{"dedicatedServerInterface": id}, nil)
}

// VrackDetach pulls an interface out of a vRack.
func (c *Client) VrackDetach(ctx context.Context, vrack, id string) error {
	return c.delete(ctx, "/vrack/"+vrack+"/dedicatedServerInterface/"+id)
}

// SSHKey reads a public key of the account.
func (c *Client) SSHKey(ctx context.Context, name string) (string, error) {
	var out struct {
		Key string `json:"key"`
	}
	return out.Key, c.get(ctx, "/me/sshKey/"+url.PathEscape(name), &out)
}

// AddSSHKey keeps a public key in the account.
func (c *Client) AddSSHKey(ctx context.Context, name, key string) error {
	return c.post(ctx, "/me/sshKey", map[string]any{"keyName": name, "key": key}, nil)
}

// DeleteSSHKey removes a public key from the account.
func (c *Client) DeleteSSHKey(ctx context.Context, name string) error {
	return c.delete(ctx, "/me/sshKey/"+url.PathEscape(name))
}
