package stacks

import (
	"fmt"
	"strings"
)

// Names lists the described stacks, sorted.
func Names() []string { return []string{"load-test", "local", "local-staging", "prod", "staging"} }

// ByName returns the description of a stack by its Pulumi name. It is not validated yet: [Stack.Plan] does that.
func ByName(name string) (Stack, error) {
	switch name {
	case "prod":
		return Production(), nil
	case "staging":
		return Staging()
	case "load-test":
		return LoadTest()
	case "local":
		return Local()
	case "local-staging":
		return LocalStaging()
	default:
		return Stack{}, fmt.Errorf("stack %s: not described; wanted one of %s: select another stack, or describe it in stacks/stacks.go", name, strings.Join(Names(), ", "))
	}
}

// Differences is the stack that a stack is a clone of, and the list by which it differs from it, in its order; "" and nil for production and for a name that is not
// described.
func Differences(name string) (base string, list []Difference) {
	switch name {
	case "staging":
		return "prod", stagingDifferences()
	case "load-test":
		return "prod", loadTestDifferences()
	case "local":
		return "prod", localDifferences()
	case "local-staging":
		return "local", localStagingDifferences()
	default:
		return "", nil
	}
}
