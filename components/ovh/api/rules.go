package api

// Rule is one access rule of a consumer key: a method and a path without version, in which * stands for anything.
type Rule struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Rules is the smallest list of access rules with which everything in this package works. A test runs a server's whole life with no more. Orders and their
// payment are account-wide at OVH, so whoever holds such a key can spend money: keep it for the runs that order.
func Rules() []Rule {
	return []Rule{
		{"GET", "/auth/time"},
		{"GET", "/me"},
		{"GET", "/me/payment/method"},
		{"GET", "/me/order"},
		{"GET", "/me/order/*"},
		{"POST", "/me/order/*/pay"},
		{"POST", "/me/order/*/payWithRegisteredPaymentMean"},
		{"GET", "/me/sshKey*"},
		{"POST", "/me/sshKey"},
		{"DELETE", "/me/sshKey/*"},
		{"GET", "/order/cart"},
		{"POST", "/order/cart"},
		{"GET", "/order/cart/*"},
		{"POST", "/order/cart/*"},
		{"DELETE", "/order/cart/*"},
		{"GET", "/order/catalog/public/*"},
		{"GET", "/services/*"},
		{"PUT", "/services/*"},
		{"GET", "/dedicated/server*"},
		{"PUT", "/dedicated/server/*"},
		{"POST", "/dedicated/server/*/reinstall"},
		{"POST", "/dedicated/server/*/reboot"},
		{"POST", "/dedicated/server/*/ola/*"},
		{"GET", "/ip/*"},
		{"POST", "/ip/*"},
		{"PUT", "/ip/*"},
		{"DELETE", "/ip/*"},
		{"GET", "/vps*"},
		{"PUT", "/vps/*"},
		{"POST", "/vps/*/rebuild"},
		{"POST", "/vps/*/reboot"},
		{"GET", "/vrack*"},
		{"PUT", "/vrack/*"},
		{"POST", "/vrack/*/dedicatedServerInterface"},
		{"DELETE", "/vrack/*/dedicatedServerInterface/*"},
		{"GET", "/cloud/project/*/flavor"},
		{"GET", "/cloud/project/*/image"},
		{"GET", "/cloud/project/*/instance*"},
		{"POST", "/cloud/project/*/instance"},
		{"DELETE", "/cloud/project/*/instance/*"},
		{"GET", "/cloud/project/*/database/*"},
		{"POST", "/cloud/project/*/database/postgresql*"},
		{"PUT", "/cloud/project/*/database/postgresql/*"},
		{"DELETE", "/cloud/project/*/database/postgresql/*"},
		{"POST", "/iam/resource/*/tag"},
		{"DELETE", "/iam/resource/*/tag/*"},
	}
}
