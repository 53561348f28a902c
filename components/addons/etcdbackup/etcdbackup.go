// Package etcdbackup tells the control plane where its backups go: one Secret, which the round of each control-plane host reads (etcd.sh of the host's library).
//
// The thing to get wrong: it makes no backup. The hosts do, one at a time under a lock in etcd, and keep a copy of what the Secret says, because the day on which it
// is wanted most is the one on which no API server answers.
package etcdbackup

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// The Secret's place, which etcd.sh knows as well.
const (
	Namespace = "kube-system"
	Name      = "etcd-backup"
	key       = "settings"
)

// Args says where backups go. No value may hold a quote, a comma, a brace, a backslash or a space: a shell reads them.
type Args struct {
	// Repository is the URL of the folder in the bucket: https://host/bucket/folder.
	Repository, Region string
	// AccessKey and SecretKey open the bucket, Password what is in it.
	AccessKey, SecretKey, Password string
	// Every is the longest time between two backups, in whole seconds.
	Every time.Duration
	// KeepHourly and KeepDaily are how many are kept of one an hour and of one a day.
	KeepHourly, KeepDaily int
}

var (
	address = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]+)?/[a-z0-9-]+/[a-z0-9-]+$`)
	plain   = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]+$`)
)

// validate never repeats a secret.
func (a Args) validate() error {
	var errs []error
	if !address.MatchString(a.Repository) {
		errs = append(errs, fmt.Errorf("repository %q is not of the form https://host/bucket/folder", a.Repository))
	}
	for _, field := range []struct{ name, value string }{{"region", a.Region}, {"access key", a.AccessKey}, {"secret key", a.SecretKey}, {"password", a.Password}} {
		if !plain.MatchString(field.value) {
			errs = append(errs, fmt.Errorf("%s is empty or has other characters than letters, digits and + / = _ . -; make another", field.name))
		}
	}
	if a.Every < time.Second || a.Every%time.Second != 0 {
		errs = append(errs, fmt.Errorf("every %s is not of whole seconds above 0", a.Every))
	}
	if a.KeepHourly < 1 || a.KeepDaily < 1 {
		errs = append(errs, fmt.Errorf("%d hourly and %d daily backups are kept; keep 1 of each at least", a.KeepHourly, a.KeepDaily))
	}
	return errors.Join(errs...)
}

// settings are what the hosts read: one line of flat JSON.
func (a Args) settings() (string, error) {
	text, err := json.Marshal(map[string]any{
		"repository": a.Repository, "region": a.Region, "accessKey": a.AccessKey, "secretKey": a.SecretKey, "password": a.Password,
		"everySeconds": int(a.Every.Seconds()), "keepHourly": a.KeepHourly, "keepDaily": a.KeepDaily,
	})
	return string(text), err
}

// New makes the Secret.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*corev1.Secret, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("etcd backup %s: %w", name, err)
	}
	text, err := args.settings()
	if err != nil {
		return nil, fmt.Errorf("etcd backup %s: %w", name, err)
	}
	secret, err := corev1.NewSecret(ctx, naming.Child(name, "settings"), &corev1.SecretArgs{
		Metadata:   metav1.ObjectMetaArgs{Name: pulumi.String(Name), Namespace: pulumi.String(Namespace), Labels: pulumi.ToStringMap(naming.Labels(Name, "backup"))},
		StringData: pulumi.StringMap{key: pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("etcd backup %s: %w", name, err)
	}
	return secret, nil
}
