package ansible

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"havre/components/host/script"
)

// Paths on a host that more than one task names.
const (
	sysctlPath   = "/etc/sysctl.d/60-havre.conf"
	firewallPath = "/etc/havre/firewall.nft"
	peersPath    = "/etc/havre/firewall.d/peers.nft"
	keyPath      = "/etc/wireguard/private.key"
	privatePath  = "/usr/local/lib/havre/private-network"
)

var heredocs = regexp.MustCompile(`(?s)<<'?EOF'?\n(.*?\n)EOF\n`)

// heredoc is the text of the first here-document of a function of the library: the playbook copies the very same.
func heredoc(file, function string) (string, error) {
	_, body, _ := strings.Cut("\n"+script.LibraryFile(file), "\n"+function+"() {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	match := heredocs.FindStringSubmatch(body + "\n")
	if match == nil {
		return "", fmt.Errorf("ansible: %s of %s has no here-document any more; see where its text went, and mend infra/bench/ansible/files.go", function, file)
	}
	return match[1], nil
}

// copied are the files that are the same on all hosts, by the function of the library that has their text.
var copied = []struct{ name, file, function string }{
	{"sysctl.conf", "base.sh", "base_kernel"},
	{"sshd.conf", "base.sh", "base_sshd"},
	{"journald.conf", "base.sh", "base_journal"},
	{"apt.conf", "base.sh", "base_security_updates"},
	{"havre-firewall.service", "firewall.sh", "firewall_unit"},
}

// files are those of the playbook's folder of that name, which are copied as they are.
func files() (map[string]string, error) {
	texts := map[string]string{
		"modules.conf":    "br_netfilter\noverlay\n",
		"limits.conf":     "* hard core 0\nroot hard core 0\n",
		"private-network": script.LibraryFile("private-network"),
		// As the mesh's own, but for how a running interface takes a changed file: the library's is a function of it.
		"wg-quick.conf": "[Unit]\nAfter=havre-private-network.service\n\n[Service]\nKillMode=process\nTimeoutStopSec=15\nExecReload=\n" +
			`ExecReload=/bin/bash -c 'wg syncconf wg0 <(wg-quick strip wg0 | sed "s|^.Interface.$|&\\nPrivateKey = $(cat ` + keyPath + `)|")'` + "\n",
	}
	var modprobe strings.Builder
	for _, module := range []string{"dccp", "sctp", "rds", "tipc", "usb-storage", "firewire-ohci"} {
		fmt.Fprintf(&modprobe, "install %s /bin/true\n", module)
	}
	texts["modprobe.conf"] = modprobe.String()
	var errs []error
	for _, c := range copied {
		text, err := heredoc(c.file, c.function)
		errs = append(errs, err)
		texts[c.name] = strings.ReplaceAll(text, "$firewall_file", firewallPath)
	}
	return texts, errors.Join(errs...)
}

// generated are the templates that are made of a text of the library.
func generated() (map[string]string, error) {
	unit, err := heredoc("base.sh", "base_private_network")
	sum := sha256.Sum256([]byte(script.LibraryFile("private-network")))
	unit = strings.NewReplacer("$(sha256sum <"+privatePath+")", fmt.Sprintf("%x  -", sum), "$*", "{{ private_interface }}").Replace(unit)
	return map[string]string{"havre-private-network.service.j2": unit}, err
}
