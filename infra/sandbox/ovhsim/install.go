package ovhsim

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// templates are the operating systems a dedicated server can be installed with.
var templates = []string{"byolinux_64", "debian12_64", "debian13_64", "ubuntu2404-server_64"}

func taskExists(v *service) error {
	return badRequest("Client::BadRequest::TaskAlreadyExists", "Server resource %s is already locked by another process: a task is already running", v.Name)
}

func (c *call) compatibleTemplates() (any, error) {
	if _, err := c.server(); err != nil {
		return nil, err
	}
	return object{"ovh": templates, "personal": []string{}}, nil
}

// reinstallation is the body of POST …/reinstall.
type reinstallation struct {
	OperatingSystem string         `json:"operatingSystem"`
	Properties      map[string]any `json:"properties"`
	Customizations  struct {
		Hostname        string            `json:"hostname"`
		SSHKey          string            `json:"sshKey"`
		Script          string            `json:"postInstallationScript"`
		ScriptExtension string            `json:"postInstallationScriptExtension"`
		UserData        string            `json:"configDriveUserData"`
		Bootloader      string            `json:"efiBootloaderPath"`
		HTTPHeaders     map[string]string `json:"httpHeaders"`
		ImageURL        string            `json:"imageURL"`
		ImageType       string            `json:"imageType"`
		ImageSum        string            `json:"imageCheckSum"`
		ImageSumType    string            `json:"imageCheckSumType"`
		Language        string            `json:"language"`
	} `json:"customizations"`
	Storage []struct {
		DiskGroup    int              `json:"diskGroupId"`
		HardwareRAID []map[string]any `json:"hardwareRaid"`
		Partitioning *struct {
			Disks  int    `json:"disks"`
			Scheme string `json:"schemeName"`
			Layout []struct {
				FileSystem string         `json:"fileSystem"`
				MountPoint string         `json:"mountPoint"`
				RAID       *int           `json:"raidLevel"`
				Size       *int           `json:"size"`
				Extras     map[string]any `json:"extras"`
			} `json:"layout"`
		} `json:"partitioning"`
	} `json:"storage"`
}

// hostnames are at most 63 characters and begin with a letter, label by label.
var hostnames = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)

// fileSystems and raidLevels are OVH's enumerations.
var (
	fileSystems = strings.Fields("btrfs ext3 ext4 fat16 none ntfs reiserfs swap ufs vmfs5 vmfs6 vmfsl xfs zfs")
	raidLevels  = []int{0, 1, 5, 6, 7, 10}
)

// check refuses what OVH refuses before a task is made.
func (in *reinstallation) check() error {
	if in.OperatingSystem == "" {
		return badRequest("Client::BadRequest", "Missing parameter(s): operatingSystem")
	}
	if !slices.Contains(templates, in.OperatingSystem) {
		return refusal(404, "Client::NotFound::OperatingSystem", "Operating system %s does not exist", in.OperatingSystem)
	}
	if h := in.Customizations.Hostname; h != "" && (len(h) > 63 || !hostnames.MatchString(h)) {
		return badRequest("Client::BadRequest::HostnameInvalidFormat", "Hostname %s is not valid", h)
	}
	if k := in.Customizations.SSHKey; k != "" && !validKey(k) {
		return badRequest("Client::BadRequest::CustomizationInvalidSshKey", "SSH key is not valid")
	}
	if len(in.Storage) > 1 {
		return refusal(501, "Server::NotImplemented", "More than one disk group is not supported")
	}
	for _, s := range in.Storage {
		if s.DiskGroup < 0 || s.DiskGroup > 1 {
			return refusal(404, "Client::NotFound::DiskGroup", "Disk group %d does not exist", s.DiskGroup)
		}
		if s.Partitioning == nil {
			continue
		}
		rest := 0
		mounts := map[string]bool{}
		for _, p := range s.Partitioning.Layout {
			switch {
			case !slices.Contains(fileSystems, p.FileSystem):
				return badRequest("Client::BadRequest::PartitionInvalidFileSystem", "File system %s does not exist", p.FileSystem)
			case p.RAID != nil && !slices.Contains(raidLevels, *p.RAID):
				return badRequest("Client::BadRequest::PartitionInvalidRaidLevel", "RAID level %d does not exist", *p.RAID)
			case p.Size != nil && *p.Size < 0:
				return badRequest("Client::BadRequest::PartitionInvalidSize", "Size %d of %s is not valid", *p.Size, p.MountPoint)
			case p.FileSystem != "swap" && mounts[p.MountPoint]:
				return badRequest("Client::BadRequest::PartitionDuplicateMountPoint", "Mount point %s is used twice", p.MountPoint)
			}
			mounts[p.MountPoint] = true
			if p.Size == nil || *p.Size == 0 {
				rest++
			}
		}
		if rest > 1 {
			return badRequest("Client::BadRequest::PartitionInvalidSize", "Only one partition can take the remaining space")
		}
		if len(s.Partitioning.Layout) > 0 && !mounts["/"] {
			return badRequest("Client::BadRequest::PartitionMissingRoot", "A partition for / is needed")
		}
	}
	return nil
}

// script decodes a post-installation script, which may come in base64 or plain.
func script(text string) string {
	if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil && utf8.Valid(plain) {
		return string(plain)
	}
	return text
}

func keys(lines ...string) []string {
	var out []string
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (c *call) reinstall() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	var in reinstallation
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if c.s.busy(v, "") != nil {
		return nil, taskExists(v)
	}
	v.Layout = nil
	for _, s := range in.Storage {
		if s.Partitioning == nil {
			continue
		}
		for _, p := range s.Partitioning.Layout {
			v.Layout = append(v.Layout, fmt.Sprintf("%s %s %d RAID %d", p.MountPoint, p.FileSystem, or(p.Size, 0), or(p.RAID, 1)))
		}
	}
	t := c.s.newTask(v, "reinstallServer", "Start bare metal OS installation")
	t.Machine = &Machine{
		ServiceName: v.Name, Kind: v.Kind, Datacenter: v.Datacenter, Address: v.Address, Hostname: firstOf(in.Customizations.Hostname, v.Name),
		AuthorizedKeys: keys(in.Customizations.SSHKey), OS: in.OperatingSystem, PostInstall: script(in.Customizations.Script),
	}
	return object{
		"taskId": t.ID, "function": t.Function, "status": t.Status, "comment": t.Comment, "startDate": stamp(t.Started), "doneDate": nil,
	}, nil
}

// or is a number that may be missing.
func or(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}

func firstOf(hostname, name string) string {
	if hostname != "" {
		return hostname
	}
	label, _, _ := strings.Cut(name, ".")
	return label
}

// installSteps are what install/status shows; the first half is done when the work starts.
var installSteps = []string{"Preparing installation", "Rebooting server on installation system", "Partitioning disk", "Processing partitioning", "Deploying OS", "Setting up bootloader", "Rebooting server on installed OS"}

func (c *call) installStatus() (any, error) {
	v, err := c.server()
	if err != nil {
		return nil, err
	}
	var last *task
	for _, id := range sortedKeys(c.s.st.Tasks) {
		if t := c.s.st.Tasks[id]; t.Service == v.ID && t.Function == "reinstallServer" {
			last = t
		}
	}
	if last == nil || last.Status == "done" {
		return nil, notFound("Server is not being installed or reinstalled at the moment")
	}
	progress := []object{}
	for n, step := range installSteps {
		status, failure := "todo", ""
		switch {
		case last.Status == "error" && n == 4:
			status, failure = "error", last.Comment
		case last.Status == "init" && n == 0, last.Status == "doing" && n == 4:
			status = "doing"
		case last.Status != "init" && n < 4:
			status = "done"
		}
		progress = append(progress, object{"comment": step, "error": failure, "status": status})
	}
	return object{"elapsedTime": int64(c.now.Sub(last.Started).Seconds()), "progress": progress}, nil
}

func (c *call) listTasks(kind, functionKey, statusKey string, status func(string) string) (any, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	out := []int64{}
	for _, id := range sortedKeys(c.s.st.Tasks) {
		t := c.s.st.Tasks[id]
		if t.Service == v.ID && t.Kind == kind && c.matches(functionKey, t.Function) && c.matches(statusKey, status(t.Status)) {
			out = append(out, id)
		}
	}
	return out, nil
}

func (c *call) task(kind, param string) (*task, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	id, err := c.number(param)
	if err != nil {
		return nil, err
	}
	t, ok := c.s.st.Tasks[id]
	if !ok || t.Service != v.ID || t.Kind != kind {
		return nil, noObject(param, id)
	}
	return t, nil
}

// serverStatus translates a task's state into a dedicated server's words.
func serverStatus(status string) string {
	if status == "error" {
		return "ovhError"
	}
	return status
}

func (c *call) serverTasks() (any, error) {
	return c.listTasks(KindDedicated, "function", "status", serverStatus)
}

func (c *call) serverTask() (any, error) {
	t, err := c.task(KindDedicated, "taskId")
	if err != nil {
		return nil, err
	}
	return c.renderTask(t), nil
}

// renderTask is dedicated.server.Task.
func (c *call) renderTask(t *task) object {
	done := zeroTime
	if !t.open() {
		done = t.Updated
	}
	return object{
		"taskId": t.ID, "function": t.Function, "status": serverStatus(t.Status), "comment": t.Comment, "startDate": stamp(t.Started), "lastUpdate": stamp(t.Updated),
		"doneDate": maybe(done), "needSchedule": false, "note": nil, "plannedInterventionId": nil, "tags": []object{}, "ticketReference": nil,
	}
}
