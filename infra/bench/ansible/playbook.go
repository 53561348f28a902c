package ansible

import "encoding/json"

// Play is one play: tasks on all hosts in order, then those of its handlers that were notified.
type Play struct {
	Name   string `json:"name"`
	Hosts  string `json:"hosts"`
	Become bool   `json:"become"`
	// GatherFacts is off: no task needs one.
	GatherFacts bool   `json:"gather_facts"`
	Tasks       []Task `json:"tasks"`
	Handlers    []Task `json:"handlers"`
}

// Task is one task or handler.
type Task struct {
	Name string
	// Do is the module with its arguments.
	Do Module
	// Notify names a handler, Register a variable, When a condition; none when empty.
	Notify, Register, When string
	// Reads says that the task changes nothing; Passes that its failure is none.
	Reads, Passes bool
}

// Module is one of ansible-core's own modules with its arguments, which are the fields.
type Module interface{ module() string }

// The modules that the playbook uses. Their fields are Ansible's arguments, see https://docs.ansible.com/ansible/latest/collections/ansible/builtin/.
type (
	// Apt installs packages.
	Apt struct {
		Name  string `json:"name"`
		State string `json:"state"`
	}
	// Command runs a program, unless Creates is there.
	Command struct {
		Argv    []string `json:"argv"`
		Creates string   `json:"creates,omitempty"`
	}
	// Copy copies a file of the folder files.
	Copy struct {
		Src      string `json:"src"`
		Dest     string `json:"dest"`
		Mode     string `json:"mode"`
		Validate string `json:"validate,omitempty"`
	}
	// GetURL fetches what is not there with that checksum.
	GetURL struct {
		URL      string `json:"url"`
		Dest     string `json:"dest"`
		Mode     string `json:"mode"`
		Checksum string `json:"checksum"`
	}
	// Hostname names the host.
	Hostname struct {
		Name string `json:"name"`
	}
	// LineInFile replaces the line that matches.
	LineInFile struct {
		Path   string `json:"path"`
		Regexp string `json:"regexp"`
		Line   string `json:"line"`
	}
	// Shell runs a line of sh, unless Creates is there.
	Shell struct {
		Cmd     string `json:"cmd"`
		Creates string `json:"creates,omitempty"`
	}
	// Systemd brings a unit into a state.
	Systemd struct {
		Name         string `json:"name"`
		State        string `json:"state,omitempty"`
		Enabled      *bool  `json:"enabled,omitempty"`
		Masked       *bool  `json:"masked,omitempty"`
		DaemonReload bool   `json:"daemon_reload,omitempty"`
	}
	// Template renders a file of the folder templates.
	Template struct {
		Src      string `json:"src"`
		Dest     string `json:"dest"`
		Mode     string `json:"mode"`
		Validate string `json:"validate,omitempty"`
	}
)

func (Apt) module() string        { return "apt" }
func (Command) module() string    { return "command" }
func (Copy) module() string       { return "copy" }
func (GetURL) module() string     { return "get_url" }
func (Hostname) module() string   { return "hostname" }
func (LineInFile) module() string { return "lineinfile" }
func (Shell) module() string      { return "shell" }
func (Systemd) module() string    { return "systemd" }
func (Template) module() string   { return "template" }

// MarshalJSON writes the task as a playbook has it: the module's name is a key.
func (t Task) MarshalJSON() ([]byte, error) {
	task := map[string]any{"name": t.Name, "ansible.builtin." + t.Do.module(): t.Do}
	for key, value := range map[string]string{"notify": t.Notify, "register": t.Register, "when": t.When} {
		if value != "" {
			task[key] = value
		}
	}
	if t.Reads {
		task["changed_when"] = false
	}
	if t.Passes {
		task["failed_when"] = false
	}
	return json.Marshal(task)
}

// Playbook is the bootstrap. The first play ends with every host's public key, which the second needs of all.
func Playbook() []Play {
	return []Play{
		{Name: "base set-up", Hosts: "all", Become: true, Tasks: base(), Handlers: []Task{
			{Name: "load modules", Do: Command{Argv: []string{"modprobe", "--all", "br_netfilter", "overlay"}}, Passes: true},
			{Name: "load kernel settings", Do: Command{Argv: []string{"sysctl", "--ignore", "--pattern", "{{ sysctl_pattern }}", "--load=" + sysctlPath}}},
			{Name: "reload sshd", Do: Systemd{Name: "ssh", State: "reloaded"}},
			{Name: "restart journald", Do: Systemd{Name: "systemd-journald", State: "restarted"}},
			{Name: "load the firewall", Do: Command{Argv: []string{"nft", "--file", firewallPath}}},
		}},
		{Name: "mesh", Hosts: "all", Become: true, Tasks: mesh(), Handlers: []Task{
			{Name: "load the firewall's peers", Do: Command{Argv: []string{"nft", "--file", peersPath}}},
		}},
	}
}

// folders are those that a fresh host has not.
var folders = []string{
	"/etc/systemd/journald.conf.d", "/usr/local/lib/havre", "/etc/havre/firewall.d", "/etc/systemd/system/wg-quick@wg0.service.d",
}

func base() []Task {
	yes, no := true, false
	return []Task{
		{Name: "hostname", Do: Hostname{Name: "{{ hostname }}"}},
		{Name: "its own name has an address", Do: LineInFile{Path: "/etc/hosts", Regexp: `^127\.0\.1\.1\s`, Line: "127.0.1.1 {{ hostname }}"}},
		{Name: "packages", Do: Apt{Name: "{{ packages }}", State: "present"}},
		{Name: "Lynis runs when it is asked to", Do: Systemd{Name: "lynis.timer", Enabled: &no, State: "stopped"}},
		{Name: "clock", Do: Systemd{Name: "chrony", Enabled: &yes, State: "started"}},
		// One call and not one of the module file for each folder, which would be slower.
		{Name: "folders", Do: Command{Argv: append([]string{"mkdir", "--parents"}, folders...), Creates: folders[len(folders)-1]}},
		{Name: "kernel modules", Do: Copy{Src: "modules.conf", Dest: "/etc/modules-load.d/60-havre.conf", Mode: "0644"}, Notify: "load modules"},
		{Name: "kernel settings", Do: Copy{Src: "sysctl.conf", Dest: sysctlPath, Mode: "0644"}, Notify: "load kernel settings"},
		{Name: "kernel modules that nothing uses", Do: Copy{Src: "modprobe.conf", Dest: "/etc/modprobe.d/60-havre.conf", Mode: "0644"}},
		{Name: "no dumps of memory", Do: Copy{Src: "limits.conf", Dest: "/etc/security/limits.d/60-havre.conf", Mode: "0644"}},
		{Name: "sshd", Do: Copy{Src: "sshd.conf", Dest: "/etc/ssh/sshd_config.d/10-havre.conf", Mode: "0644", Validate: "/usr/sbin/sshd -t -f %s"}, Notify: "reload sshd"},
		{Name: "journal", Do: Copy{Src: "journald.conf", Dest: "/etc/systemd/journald.conf.d/60-havre.conf", Mode: "0644"}, Notify: "restart journald"},
		{Name: "security updates", Do: Copy{Src: "apt.conf", Dest: "/etc/apt/apt.conf.d/60havre", Mode: "0644"}},

		{Name: "private network's program", Do: Copy{Src: "private-network", Dest: privatePath, Mode: "0755"}, When: "private_interface"},
		{
			Name: "private network's unit", When: "private_interface", Register: "private_unit",
			Do: Template{Src: "havre-private-network.service.j2", Dest: "/etc/systemd/system/havre-private-network.service", Mode: "0644"},
		},
		{
			Name: "private network", When: "private_interface",
			Do: Systemd{Name: "havre-private-network", Enabled: &yes, State: "{{ 'restarted' if private_unit.changed else 'started' }}", DaemonReload: true},
		},

		{
			Name: "firewall", Notify: "load the firewall",
			Do: Template{Src: "firewall.nft.j2", Dest: firewallPath, Mode: "0644", Validate: "/usr/sbin/nft --check --file %s"},
		},
		{Name: "firewall's unit", Do: Copy{Src: "havre-firewall.service", Dest: "/etc/systemd/system/havre-firewall.service", Mode: "0644"}},
		{Name: "firewall at boot", Do: Systemd{Name: "havre-firewall", Enabled: &yes, DaemonReload: true}},
		{Name: "not Debian's own, which empties all tables", Do: Systemd{Name: "nftables", Masked: &yes}},

		{
			Name: "WireGuard beside a kernel that has none",
			Do:   GetURL{URL: "{{ wireguard_go }}", Dest: "/usr/local/bin/wireguard-go", Mode: "0755", Checksum: "{{ wireguard_go_checksum }}"},
		},
		{Name: "mesh key", Do: Shell{Cmd: "umask 077; wg genkey >" + keyPath, Creates: keyPath}},
		{Name: "its public half", Do: Shell{Cmd: "wg pubkey <" + keyPath}, Register: "mesh_public_key", Reads: true},
	}
}

func mesh() []Task {
	yes := true
	return []Task{
		{Name: "firewall's peers", Do: Template{Src: "peers.nft.j2", Dest: peersPath, Mode: "0644"}, Notify: "load the firewall's peers"},
		{Name: "unit's drop-in", Do: Copy{Src: "wg-quick.conf", Dest: "/etc/systemd/system/wg-quick@wg0.service.d/havre.conf", Mode: "0644"}},
		{Name: "peers", Do: Template{Src: "wg0.conf.j2", Dest: "/etc/wireguard/wg0.conf", Mode: "0600"}, Register: "mesh_conf"},
		{
			Name: "interface",
			Do:   Systemd{Name: "wg-quick@wg0", Enabled: &yes, State: "{{ 'reloaded' if mesh_conf.changed else 'started' }}", DaemonReload: true},
		},
	}
}
