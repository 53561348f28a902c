// Package fleet describes stacks of any size for the bench. They are production's own nodes in larger numbers, so that a growing figure is that of the
// platform and not of an invention. The one thing a reader would get wrong: prices and sites are production's, load and budget are not; nobody is to order
// from such a description.
package fleet

import (
	"fmt"

	"havre/stacks"
)

// The least and the greatest number of hosts: three control-plane nodes, four edge nodes and a data host, up to one /24 of pods each in a /16.
const (
	Least    = 8
	Greatest = 250
)

// Name is the stack's name.
const Name = "bench"

// Of is a stack of n hosts: three control-plane nodes in three sites, one data host in nine, workers for the rest, in two sites. The error says when n is not
// from Least to Greatest.
func Of(n int) (stacks.Stack, error) {
	if n < Least || n > Greatest {
		return stacks.Stack{}, fmt.Errorf("bench: a fleet of %d hosts; wanted from %d to %d", n, Least, Greatest)
	}
	stack := stacks.Production()
	stack.Name = Name
	stack.Budget = stacks.Budget{Monthly: stacks.EUR(Budget, 0), Setup: stacks.EUR(Budget, 0)}
	templates := map[stacks.Role]stacks.Node{}
	var nodes []stacks.Node
	for _, node := range stack.Nodes {
		switch {
		case node.Has(stacks.RoleControlPlane):
			node.Index = len(nodes) + 1
			nodes = append(nodes, node)
		case node.Has(stacks.RoleWorker) && !node.Has(stacks.RoleEdge):
			templates[stacks.RoleWorker] = node
		case node.Has(stacks.RoleData):
			templates[stacks.RoleData] = node
		}
	}
	services := stack.Data
	datas, count := n/9, map[string]int{}
	if datas == 0 {
		datas = 1
	}
	workers := n - len(nodes) - datas
	add := func(role stacks.Role, nth int) {
		node := templates[role]
		node.Index = len(nodes) + 1
		node.Site = []string{"gra", "rbx"}[nth%2]
		count[node.Site+string(role)]++
		node.Name = fmt.Sprintf("%s-%s-%d", node.Site, role, count[node.Site+string(role)])
		node.Roles = []stacks.Role{role}
		switch {
		case role == stacks.RoleData:
			node.Purpose = services[nth%len(services)].Name
		case nth < 4:
			node.Roles = append(node.Roles, stacks.RoleEdge)
		}
		nodes = append(nodes, node)
	}
	for i := range workers {
		add(stacks.RoleWorker, i)
	}
	for i := range datas {
		add(stacks.RoleData, i)
	}
	stack.Nodes, stack.Data = nodes, services[:min(datas, len(services))]
	// A load that the smallest fleet carries with a site lost: the bench is about hosts, not about pods.
	stack.Render.MinReplicas, stack.Render.MaxReplicas, stack.Render.PeakPerSecond = 2, 4, 500
	return stack, nil
}

// Budget bounds the greatest fleet's price, in euros: monthly and for setting up.
const Budget = 100_000
