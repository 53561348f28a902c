// Package e2e walks the whole platform on real hosts, as an engineer would: up, look, change, break, take away. Its tests have the build tag e2e and
// need root, because hosts are namespaces of this machine; `make test` runs them after everything else. The one thing a reader would get wrong: the
// parts build on each other and run in the order they are written, as one walk, because a cluster takes minutes to come up.
package e2e
