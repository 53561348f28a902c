// Package database proves the managed database with real programs: PostgreSQL behind the OVH simulator, Pulumi's own engine and plugins, and an API server with its
// etcd for the Secret that pods read. The renderer looks its readers up by that Secret.
//
// What one would get wrong: nothing here is root's or leaves the machine, but PostgreSQL, Kubernetes and Pulumi must be there, so it runs with the tag e2e and
// belongs to make test.
package database
