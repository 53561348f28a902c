package stacks

import (
	"testing"
)

// TestReviewNamed: a review's name says whose it is and where it lives; what is not one is left to the stacks.
func TestReviewNamed(t *testing.T) {
	for name, want := range map[string]struct{ of, namespace, domain string }{
		"review-42":          {"staging", "review-42", "review-42.review.havre-staging.example"},
		"local-review-7":     {"local", "review-7", "review-7.review.havre.test"},
		"review-999999999":   {"staging", "review-999999999", "review-999999999.review.havre-staging.example"},
		"staging-review-100": {"staging", "review-100", "review-100.review.havre-staging.example"},
	} {
		r, found, err := ReviewNamed(name)
		if err != nil || !found || r.Name != name || r.Of.Name != want.of || r.Namespace != want.namespace || r.Domain != want.domain {
			t.Errorf("%s: %+v, %t, %v", name, r, found, err)
		}
		if r.Render.MinReplicas != 2 || r.Render.MaxReplicas != 2 || r.Render.CPURequest >= r.Of.Render.CPURequest || r.Render.CPURequest < 1 || r.Render.MemoryRequest < 1 ||
			r.Render.MemoryRequest > r.Render.MemoryLimit || r.Render.Domain != want.domain {
			t.Errorf("%s: its size is %+v", name, r.Render)
		}
	}
	for _, name := range []string{"prod", "staging", "review", "review-", "review-0", "review-07", "review-1234567890", "preview-7", "review-7-b", "Review-7"} {
		if r, found, err := ReviewNamed(name); found || err != nil {
			t.Errorf("%s: taken for a review: %+v, %v", name, r, err)
		}
	}
	for name, want := range map[string]string{
		"prod-review-7":    "stack prod-review-7: stack prod takes no reviews; review one of a stack with Edge.ReviewDomain, such as review-42 of staging",
		"nowhere-review-7": "stack nowhere-review-7: a review of stack nowhere: stack nowhere: not described; wanted one of load-test, local, local-staging, prod, staging: select another stack, or describe it in stacks/stacks.go",
	} {
		if _, found, err := ReviewNamed(name); !found || err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}
