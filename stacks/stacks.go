package stacks

import (
	"fmt"
	"strings"
)

// Names lists the described stacks, sorted.
func Names() []string { return []string{"local", "prod", "staging"} }

// ByName returns the description of a stack by its Pulumi name. It is not validated yet: [Stack.Plan] does that.
func ByName(name string) (Stack, error) {
	switch name {
	case "prod":
		return Production(), nil
	case "staging":
		return Staging()
	case "local":
		return Local()
	default:
		return Stack{}, fmt.Errorf("stack %s: not described; wanted one of %s: select another stack, or describe it in stacks/stacks.go", name, strings.Join(Names(), ", "))
	}
}

// Differences is the list by which a stack differs from production, in its order; nil for production and for a name that is not described.
func Differences(name string) []Difference {
	switch name {
	case "staging":
		return stagingDifferences()
	case "local":
		return localDifferences()
	default:
		return nil
	}
}
