// Package etcd runs the care of etcd and the way back from a backup for real: two members of etcd over TLS, restic, a bucket, and the library's own functions, each
// member with a folder for its host. It wants no root; its tests have the tag e2e.
package etcd
