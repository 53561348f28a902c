package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3bolt"
	"go.etcd.io/bbolt"

	"havre/infra/sandbox/network"
)

// objectStorage is where hosts reach the sandbox's object storage, and backupBuckets the buckets in it; stacks.Local and stacks.LocalStaging name them.
var (
	objectStorage = netip.AddrPortFrom(network.Gateway, 9000)
	backupBuckets = []string{"havre-local-backup", "havre-local-staging-backup"}
)

const objectsFile = "objects.db"

// newObjects serves an S3 API from a file. It lets in whoever reaches it, and so proves nothing about keys: OVHcloud checks those.
func newObjects(folder string) (handler http.Handler, closer func() error, err error) {
	file, err := bbolt.Open(filepath.Join(folder, objectsFile), 0o600, &bbolt.Options{Timeout: 10 * time.Second})
	if err != nil {
		return nil, nil, fmt.Errorf("object storage: %w", err)
	}
	backend := s3bolt.New(file)
	for _, bucket := range backupBuckets {
		found, err := backend.BucketExists(bucket)
		if err == nil && !found {
			err = backend.CreateBucket(bucket)
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("object storage: %w", err), file.Close())
		}
	}
	return gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server(), file.Close, nil
}
