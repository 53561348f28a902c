package stacks

import (
	"fmt"
	"regexp"
	"strconv"
)

// Review is a pull request's own copy of the services: a namespace in the cluster of a stack that stands already. It orders nothing and owns no host.
type Review struct {
	// Name is the Pulumi stack's name, "review-42" or "local-review-42". Number is the pull request's.
	Name   string
	Number int
	// Of is the stack whose cluster and edge it uses.
	Of Stack
	// Namespace is its own, and the first label of Domain: the edge finds the one by the other.
	Namespace string
	// Domain is its public name, below Of's Edge.ReviewDomain.
	Domain string
	// Render is the service's size: enough to look at, and not what a peak takes.
	Render Render
}

// Planned stands for every output of a stack that is only planned: what a review of it is previewed with on a new account.
const Planned = "known once the stack is up"

// ReviewSyntax is what the namespace of a review is called; the edge leads no other name below the review domain anywhere.
const ReviewSyntax = `review-[1-9][0-9]{0,8}`

var reviewName = regexp.MustCompile(`^(?:([a-z0-9-]+)-)?(` + ReviewSyntax + `)$`)

// reviewShare is what part of the base's room for a picture a review requests: it is looked at by people.
const reviewShare = 10

// ReviewNamed reads a stack's name: "review-42" is of staging, "local-review-42" of local. false for a name that is not a review's.
func ReviewNamed(name string) (r Review, found bool, err error) {
	parts := reviewName.FindStringSubmatch(name)
	if parts == nil {
		return Review{}, false, nil
	}
	base := parts[1]
	if base == "" {
		base = "staging"
	}
	of, err := ByName(base)
	if err != nil {
		return Review{}, true, fmt.Errorf("stack %s: a review of stack %s: %w", name, base, err)
	}
	if of.Edge.ReviewDomain == "" {
		return Review{}, true, fmt.Errorf("stack %s: stack %s takes no reviews; review one of a stack with Edge.ReviewDomain, such as review-42 of staging", name, base)
	}
	number, err := strconv.Atoi(parts[2][len("review-"):])
	if err != nil {
		return Review{}, true, fmt.Errorf("stack %s: %w", name, err)
	}
	r = Review{Name: name, Number: number, Of: of, Namespace: parts[2], Domain: parts[2] + "." + of.Edge.ReviewDomain, Render: of.Render}
	r.Render.Domain = r.Domain
	// Two, as the guard wants them: a rolling update of a review fails no request either.
	r.Render.MinReplicas, r.Render.MaxReplicas, r.Render.MaxUnavailable = 2, 2, 1
	r.Render.CPURequest = max(of.Render.CPURequest/reviewShare, 10)
	r.Render.MemoryRequest = max(of.Render.MemoryRequest/reviewShare, 32)
	return r, true, nil
}
