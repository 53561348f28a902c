package audit

import "slices"

// Exceptions are the checks that fail on hosts of this platform and why they may, and what a person has looked at.
func Exceptions(sandbox bool) []Exception {
	return slices.DeleteFunc([]Exception{
		{ID: "1.1.12", Why: "etcd is kubeadm's static pod and runs as root; its data belong to root and are open to nobody else (1.1.11 holds), and another user on the host would only be one more way to them"},
		{ID: "AUTH-9230", Why: "nobody has a password here"},
		{ID: "AUTH-9262", Why: "nobody has a password here"},
		{ID: "AUTH-9286", Why: "nobody has a password here"},
		{ID: "DEB-0880", Why: "sshd takes keys alone, so there is nothing to guess; bans would one day shut out the runner of deployments"},
		{ID: "HRDN-7230", Why: "nothing is installed but Debian's signed packages, binaries and images by their checksums; a scanner that reads every file as root is one more way in"},
		{ID: "SSH-7408 AllowTcpForwarding", Why: "havre jump reaches the cluster's API by it, for whoever is no peer of the mesh"},
		{ID: "SSH-7408 MaxSessions", Why: "a run of Pulumi opens a session for each command of a host, several at once"},
		{ID: "PKGS-7388", Why: "a sandbox host has no way to a mirror", Sandbox: true},
		{ID: "FIRE-4512", Why: "the kernel has iptables built in and nobody uses it there: the rules are nftables', table inet havre", Sandbox: true},
	}, func(e Exception) bool { return e.Sandbox && !sandbox })
}
