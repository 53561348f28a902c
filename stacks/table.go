package stacks

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table prints the nodes of a stack with what follows from them, aligned for a terminal, and the totals. It does not validate: of a broken
// description it prints what can be computed, and "-" for the rest.
func Table(s Stack) string {
	rows := [][]string{{"NODE", "INDEX", "SITE", "KIND", "PLAN", "ROLES", "MESH", "POD CIDR", "PRIVATE", "EUR/MONTH"}}
	for _, n := range sortedNodes(s.Nodes) {
		node := s.planned(n)
		rows = append(rows, []string{
			n.Name, strconv.Itoa(n.Index), n.Site, string(n.Kind), n.Offer.PlanCode, describeRoles(n),
			orDash(node.Mesh), orDash(node.PodCIDR), orDash(node.Private), strings.TrimSuffix(n.Offer.Monthly.String(), " "+currency),
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "stack %s: %d nodes, Kubernetes %s, vRack %s, zone %s\n\n", s.Name, len(s.Nodes), s.Cluster.KubernetesVersion, describeVrack(s.PrivateNetwork), s.DNS.Zone)
	align(&b, rows, map[int]bool{1: true, 9: true})
	monthly, setup, err := s.totals()
	if err != nil {
		fmt.Fprintf(&b, "\nno totals: %v\n", err)
		return b.String()
	}
	fmt.Fprintf(&b, "\na month  %s of %s allowed\nonce     %s of %s allowed\n", monthly, s.Budget.Monthly, setup, s.Budget.Setup)
	if db := s.Database; db.Engine != "" {
		from := ""
		if db.ForkOf != "" {
			from = fmt.Sprintf(", copy %d of that of %s", db.Generation, db.ForkOf)
		}
		fmt.Fprintf(&b, "database %s %s, %s %d x %s in %s, %s a month%s\n", db.Engine, db.Version, db.Plan, db.Nodes, db.Flavor, db.Region, db.Monthly, from)
	}
	for _, loss := range s.siteLosses() {
		fmt.Fprintf(&b, "without %s  %s cores for a peak of %s\n", loss.Site, cores(loss.Usable), cores(loss.Needed))
	}
	return b.String()
}

// describeRoles joins the roles and what a reader should know with them.
func describeRoles(n Node) string {
	var parts []string
	for _, role := range n.Roles {
		if role == RoleData && n.Purpose != "" {
			parts = append(parts, string(role)+":"+n.Purpose)
			continue
		}
		parts = append(parts, string(role))
	}
	for _, state := range []struct {
		is   bool
		name string
	}{{n.Retired, "(retired)"}, {n.Rescue, "(rescue)"}, {n.NoRenewal, "(not renewed)"}} {
		if state.is {
			parts = append(parts, state.name)
		}
	}
	return strings.Join(parts, " ")
}

// orDash prints an address or a prefix, or a dash for none.
func orDash[T interface {
	netip.Addr | netip.Prefix
	IsValid() bool
	String() string
}](v T) string {
	if !v.IsValid() {
		return "-"
	}
	return v.String()
}

func describeVrack(p PrivateNetwork) string {
	switch {
	case p.Vrack != "":
		return p.Vrack
	case p.Order:
		return "of its own"
	default:
		return "none"
	}
}

// cores prints cores as a decimal number.
func cores(c CPU) string { return strconv.FormatFloat(float64(c)/1000, 'f', -1, 64) }

// align writes rows in columns two blanks apart, numbers to the right, without blanks at the end of a line.
func align(b *strings.Builder, rows [][]string, right map[int]bool) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
