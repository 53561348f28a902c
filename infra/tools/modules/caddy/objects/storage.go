// Package objects is Caddy's storage in an S3 bucket: certificates, their keys and the account at the authority, the same for every edge node.
//
// What a reader would get wrong: the bucket's conditional writes carry the locks, so a bucket without them must not be used. A put with If-None-Match or If-Match that
// is not honoured would give one lock to two nodes, and the authority two orders. The first lock tries it out and refuses such a bucket. OVHcloud has them:
// https://docs.ovhcloud.com/en/guides/storage-and-backup/object-storage/s3-conditional-writes (read 2026-11-21).
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func init() { caddy.RegisterModule(new(Storage)) }

// Storage keeps Caddy's files as objects. In a configuration every field may hold placeholders, such as {file./etc/storage/secret-key}.
type Storage struct {
	// Endpoint is the URL of the S3 API, https://s3.eu-west-par.io.cloud.ovh.net. Plain http is taken on loopback only: keys of certificates go over it.
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Bucket   string `json:"bucket"`
	// Prefix begins every key, without slashes at its ends; optional.
	Prefix    string `json:"prefix,omitempty"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	// OrdersAnHour bounds how often all nodes together may begin to order a certificate for one name; 5 by default, as Let's Encrypt takes five failed
	// validations a name and hour (https://letsencrypt.org/docs/rate-limits/). It never keeps a certificate that is there from being used.
	OrdersAnHour int `json:"orders_an_hour,omitempty"`

	client *minio.Client
	pace   pace
	held   leases
	trial  trial
}

// trial remembers that the bucket honours conditional writes.
type trial struct {
	mu   sync.Mutex
	done bool
}

// pace is how locks are kept and waited for.
type pace struct {
	// beat is how often a holder renews its lock, stale how long an unchanged one is believed, poll how often a waiter looks.
	beat, stale, poll time.Duration
	now               func() time.Time
}

// The pace of a fleet. A node that dies in the middle of an order costs the next one stale plus poll.
var fleet = pace{beat: 4 * time.Second, stale: 20 * time.Second, poll: 500 * time.Millisecond, now: time.Now}

var (
	_ caddy.Provisioner      = (*Storage)(nil)
	_ caddy.StorageConverter = (*Storage)(nil)
	_ certmagic.Storage      = (*Storage)(nil)

	_ certmagic.LockLeaseRenewer = (*Storage)(nil)
)

// CaddyModule names the module.
func (*Storage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.objects", New: func() caddy.Module { return new(Storage) }}
}

// CertMagicStorage returns the storage itself.
func (s *Storage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

// Provision reads the placeholders and makes the client. It does not ask the bucket for anything: a node must start while that is away.
func (s *Storage) Provision(caddy.Context) error {
	replacer := caddy.NewReplacer()
	for name, field := range map[string]*string{
		"endpoint": &s.Endpoint, "region": &s.Region, "bucket": &s.Bucket, "prefix": &s.Prefix, "access_key": &s.AccessKey, "secret_key": &s.SecretKey,
	} {
		value, err := replacer.ReplaceOrErr(*field, true, true)
		if err != nil {
			return fmt.Errorf("storage: %s: %w", name, err)
		}
		*field = strings.TrimSpace(value)
	}
	return s.connect(http.DefaultTransport)
}

// connect checks the settings, all at once, and makes the client.
func (s *Storage) connect(transport http.RoundTripper) error {
	var errs []error
	for _, field := range []struct{ name, value string }{{"region", s.Region}, {"bucket", s.Bucket}, {"access_key", s.AccessKey}, {"secret_key", s.SecretKey}} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("storage: %s is empty", field.name))
		}
	}
	endpoint, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || endpoint.Host == "" || strings.Trim(endpoint.Path, "/") != "":
		errs = append(errs, fmt.Errorf("storage: endpoint %q is not the URL of a host", s.Endpoint))
	case endpoint.Scheme == "http" && !loopback(endpoint.Hostname()), endpoint.Scheme != "http" && endpoint.Scheme != "https":
		errs = append(errs, fmt.Errorf("storage: endpoint %s: keys of certificates go over https only", s.Endpoint))
	}
	if s.Prefix != strings.Trim(s.Prefix, "/") {
		errs = append(errs, fmt.Errorf("storage: prefix %q has slashes at its ends", s.Prefix))
	}
	if s.OrdersAnHour < 0 {
		errs = append(errs, fmt.Errorf("storage: %d orders an hour; wanted 1 or more, or 0 for 5", s.OrdersAnHour))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if s.OrdersAnHour == 0 {
		s.OrdersAnHour = 5
	}
	if s.pace.now == nil {
		s.pace = fleet
	}
	s.client, err = minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Secure: endpoint.Scheme == "https", Region: s.Region, BucketLookup: minio.BucketLookupPath,
		Transport: transport,
	})
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// try writes one object twice under the condition that it is not there yet; the second must be refused. Once it was, it is not asked again.
func (s *Storage) try(ctx context.Context) error {
	s.trial.mu.Lock()
	defer s.trial.mu.Unlock()
	if s.trial.done {
		return nil
	}
	key := s.key("locks/trial-" + token())
	defer func() {
		_ = s.client.RemoveObject(context.WithoutCancel(ctx), s.Bucket, key, minio.RemoveObjectOptions{})
	}()
	if _, err := s.put(ctx, key, []byte("trial"), absent); err != nil {
		return fmt.Errorf("bucket %s at %s: %w", s.Bucket, s.Endpoint, err)
	}
	if _, err := s.put(ctx, key, []byte("trial"), absent); !errors.Is(err, errCondition) {
		return fmt.Errorf("bucket %s at %s does not honour If-None-Match, without which two nodes would hold one lock (its answer: %v); use one that does", s.Bucket, s.Endpoint, err)
	}
	s.trial.done = true
	return nil
}

// String says where it is, without a secret.
func (s *Storage) String() string {
	return fmt.Sprintf("objects %s/%s/%s", s.Endpoint, s.Bucket, s.Prefix)
}

func (s *Storage) key(name string) string { return path.Join(s.Prefix, name) }

// name is key's inverse.
func (s *Storage) name(key string) string {
	if s.Prefix == "" {
		return strings.Trim(key, "/")
	}
	return strings.Trim(strings.TrimPrefix(key, s.Prefix+"/"), "/")
}

// The conditions of a put.
const (
	always = ""
	absent = "*"
)

// errCondition is the refusal of a conditional write: someone else wrote meanwhile.
var errCondition = errors.New("the object changed meanwhile")

// put writes an object and returns its ETag. The condition is always, absent, or the ETag that the object must still have.
func (s *Storage) put(ctx context.Context, key string, value []byte, condition string) (etag string, err error) {
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true}
	switch condition {
	case always:
	case absent:
		options.SetMatchETagExcept("*")
	default:
		options.SetMatchETag(condition)
	}
	info, err := s.client.PutObject(ctx, s.Bucket, key, bytes.NewReader(value), int64(len(value)), options)
	if err != nil {
		// 409 is S3's word for two conditional writes at once, 404 for If-Match on an object that is gone.
		if status := minio.ToErrorResponse(err).StatusCode; condition != always &&
			(status == http.StatusPreconditionFailed || status == http.StatusConflict || status == http.StatusNotFound && condition != absent) {
			return "", errCondition
		}
		return "", fmt.Errorf("write %s: %w", key, err)
	}
	return info.ETag, nil
}

// get reads an object and its ETag; fs.ErrNotExist when it is not there.
func (s *Storage) get(ctx context.Context, key string) (value []byte, etag string, err error) {
	object, err := s.client.GetObject(ctx, s.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", missing(key, err)
	}
	defer func() { _ = object.Close() }()
	if value, err = io.ReadAll(object); err != nil {
		return nil, "", missing(key, err)
	}
	info, err := object.Stat()
	if err != nil {
		return nil, "", missing(key, err)
	}
	return value, info.ETag, nil
}

func missing(key string, err error) error {
	if response := minio.ToErrorResponse(err); response.Code == "NoSuchKey" || response.StatusCode == http.StatusNotFound && response.Code != "NoSuchBucket" {
		return fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return fmt.Errorf("read %s: %w", key, err)
}

// Store writes a file.
func (s *Storage) Store(ctx context.Context, name string, value []byte) error {
	_, err := s.put(ctx, s.key(name), value, always)
	return err
}

// Load reads a file.
func (s *Storage) Load(ctx context.Context, name string) ([]byte, error) {
	value, _, err := s.get(ctx, s.key(name))
	return value, err
}

// Delete removes a file, or a folder with everything in it. One that is not there is no error.
func (s *Storage) Delete(ctx context.Context, name string) error {
	keys := []string{s.key(name)}
	for object := range s.client.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: s.key(name) + "/", Recursive: true}) {
		if object.Err != nil {
			return fmt.Errorf("list %s: %w", name, object.Err)
		}
		keys = append(keys, object.Key)
	}
	var errs []error
	for _, key := range keys {
		if err := s.client.RemoveObject(ctx, s.Bucket, key, minio.RemoveObjectOptions{}); err != nil && !errors.Is(missing(key, err), fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// Exists says whether there is a file or a folder of that name.
func (s *Storage) Exists(ctx context.Context, name string) bool {
	_, err := s.Stat(ctx, name)
	return err == nil
}

// List returns what is in a folder; recursive goes down to the files and names the folders, too.
func (s *Storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	prefix := s.key(folder)
	if prefix != "" && prefix != "." {
		prefix += "/"
	} else {
		prefix = ""
	}
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for object := range s.client.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive}) {
		if object.Err != nil {
			return nil, fmt.Errorf("list %s: %w", folder, object.Err)
		}
		name := s.name(object.Key)
		if recursive {
			for i, c := range name[len(strings.Trim(folder, "/")):] {
				if i > 0 && c == '/' {
					add(name[:len(strings.Trim(folder, "/"))+i])
				}
			}
		}
		add(name)
	}
	if names == nil {
		return nil, fmt.Errorf("%s: %w", folder, fs.ErrNotExist)
	}
	return names, nil
}

// Stat tells about a file or a folder.
func (s *Storage) Stat(ctx context.Context, name string) (certmagic.KeyInfo, error) {
	key := s.key(name)
	info, err := s.client.StatObject(ctx, s.Bucket, key, minio.StatObjectOptions{})
	if err == nil {
		return certmagic.KeyInfo{Key: name, Modified: info.LastModified, Size: info.Size, IsTerminal: true}, nil
	}
	if err = missing(key, err); !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	for object := range s.client.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: key + "/", MaxKeys: 1}) {
		if object.Err != nil {
			return certmagic.KeyInfo{}, fmt.Errorf("list %s: %w", name, object.Err)
		}
		return certmagic.KeyInfo{Key: name}, nil
	}
	return certmagic.KeyInfo{}, err
}
