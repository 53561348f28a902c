// Package stacks describes what exists: sites, nodes, networks, the cluster and the services on it, for every environment.
//
// It is plain data and pure functions over the standard library. A [Stack] is what engineers edit; [Stack.Plan] turns it into the addresses,
// names and lists that the program hands to its components, and refuses a broken description with every error at once.
//
// The one thing a reader would get wrong: staging and local are not written out. They are production less a short list of differences
// ([Clone]), so a change in production.go reaches all three unless a difference says otherwise.
package stacks
