// Package workload makes what runs on the cluster: Deployment, DaemonSet, CronJob and Job round the one pod-spec builder of workload/pod, with the objects that belong
// to each (autoscaler, disruption budget, network policy, configuration), and Service and Namespace.
//
// Kubernetes names are set outright, never made up by the engine: an object's name is its workload's App, so a run on a lost state finds and
// adopts what is there. What a reader would get wrong: a change of configuration keeps the ConfigMap's name. The pods roll because their template carries a
// digest of the content, so a rollback of the Deployment alone does not bring the old configuration back; run the program on the old commit instead.
package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload/pod"
)

// Annotations on pod templates. A change of either rolls the pods.
const (
	ConfigDigest = "havre.dev/config-digest"
	SecretDigest = "havre.dev/secret-digest"
)

// skipAwait has Pulumi's Kubernetes provider go on as soon as the API server has taken an object.
const skipAwait = "pulumi.com/skipAwait"

// maxConfig is the API server's bound on a ConfigMap's data, in bytes.
const maxConfig = 1 << 20

// Common is what every workload has.
type Common struct {
	// Namespace is the Kubernetes namespace. Required; it must exist, so name its resource in After.
	Namespace string
	// Pod is the pod's description. Its App is the name of every object of the workload.
	Pod pod.Pod
	// Config are files that the workload's own ConfigMap puts into the container.
	Config Config
	// Secret are files that the workload's own Secret puts into the container.
	Secret Secret
	// Network opens what the workload's network policy lets through; the zero value lets nothing in or out. Refused on the host's network, where
	// network policies do not hold.
	Network Network
	// After are real resources (never components) that must be there before any object of the workload.
	After []pulumi.Resource
}

// Config are plain files by name, in the folder Path.
type Config struct {
	Path  string
	Files map[string]string
}

// Secret are secret files by name, in the folder Path. Their content may be known late; their names may not.
type Secret struct {
	Path  string
	Files map[string]pulumi.StringInput
}

// validate reports everything that is wrong, joined. kinds are the kinds of pod that the workload takes, called names in an error.
func (c Common) validate(names string, kinds ...pod.Kind) error {
	var errs []error
	if err := naming.Validate(c.Namespace); err != nil {
		errs = append(errs, fmt.Errorf("namespace: %w", err))
	}
	if !slices.Contains(kinds, c.Pod.Kind) {
		errs = append(errs, fmt.Errorf("the pod's kind is %d; give %s", c.Pod.Kind, names))
	}
	errs = append(errs, files("config", c.Config.Path, slices.Sorted(maps.Keys(c.Config.Files))))
	errs = append(errs, files("secret", c.Secret.Path, slices.Sorted(maps.Keys(c.Secret.Files))))
	size := 0
	for name, content := range c.Config.Files {
		size += len(name) + len(content)
	}
	if size > maxConfig {
		errs = append(errs, fmt.Errorf("config: has %d bytes; a ConfigMap takes at most %d", size, maxConfig))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secret.Files)) {
		if c.Secret.Files[name] == nil {
			errs = append(errs, fmt.Errorf("secret: file %q has no content", name))
		}
	}
	if c.Pod.HostNetwork && !c.Network.closed() {
		errs = append(errs, errors.New("network: a pod on the host's network has no network policy; leave it empty and use the host's firewall"))
	}
	errs = append(errs, c.Network.validate(), c.withVolumes().Validate())
	return errors.Join(errs...)
}

func files(what, folder string, names []string) error {
	if len(names) == 0 {
		if folder != "" {
			return fmt.Errorf("%s: folder %q has no files; give at least one, or no folder", what, folder)
		}
		return nil
	}
	if folder == "" {
		return fmt.Errorf("%s: has files but no folder; give one such as /etc/%s", what, what)
	}
	for _, name := range names {
		if name == "" || path.Base(name) != name || name == "." || name == ".." {
			return fmt.Errorf("%s: file name %q is not a plain name; folders inside are not possible", what, name)
		}
	}
	return nil
}

// withVolumes is the pod with the volumes of its own ConfigMap and Secret; the caller's pod stays as it is.
func (c Common) withVolumes() pod.Pod {
	p := c.Pod
	p.Volumes = slices.Clone(p.Volumes)
	if len(c.Config.Files) > 0 && c.Config.Path != "" {
		p.Volumes = append(p.Volumes, pod.Volume{Name: "config", Path: c.Config.Path, ConfigMap: p.App})
	}
	if len(c.Secret.Files) > 0 && c.Secret.Path != "" {
		p.Volumes = append(p.Volumes, pod.Volume{Name: "secret", Path: c.Secret.Path, Secret: p.App})
	}
	return p
}

// labels of every object of the workload.
func (c Common) labels() pulumi.StringMap { return pulumi.ToStringMap(naming.Labels(c.Pod.App, "")) }

func (c Common) selector() *metav1.LabelSelectorArgs {
	return &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(naming.Selector(c.Pod.App))}
}

func (c Common) metadata() *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Name: pulumi.String(c.Pod.App), Namespace: pulumi.String(c.Namespace), Labels: c.labels(), Annotations: pulumi.ToStringMap(naming.Annotations())}
}

// ownMetadata is the metadata of the pods' owner. Nothing waits for idle pods: in the middle of a burst there is no room for them, and that is right.
func (c Common) ownMetadata() *metav1.ObjectMetaArgs {
	meta := c.metadata()
	if c.Pod.Kind.Idle() {
		annotations := naming.Annotations()
		annotations[skipAwait] = "true"
		meta.Annotations = pulumi.ToStringMap(annotations)
	}
	return meta
}

// parts are the objects that every workload makes before its own, and the template of its pods.
type parts struct {
	template  *corev1.PodTemplateSpecArgs
	resources []pulumi.Resource
}

// build registers the ConfigMap, the Secret and the network policy, as children of parent, and gives the pod template.
func (c Common) build(ctx *pulumi.Context, name string, parent pulumi.Resource) (parts, error) {
	spec, err := c.withVolumes().Build()
	if err != nil {
		return parts{}, err
	}
	var out parts
	opts := []pulumi.ResourceOption{pulumi.Parent(parent), pulumi.DependsOn(c.After)}
	annotations := pulumi.StringMap{}
	if len(c.Config.Files) > 0 {
		config, err := corev1.NewConfigMap(ctx, naming.Child(name, "config"), &corev1.ConfigMapArgs{
			Metadata: c.metadata(), Data: pulumi.ToStringMap(c.Config.Files),
		}, opts...)
		if err != nil {
			return parts{}, err
		}
		out.resources = append(out.resources, config)
		annotations[ConfigDigest] = pulumi.String(Digest(c.Config.Files))
	}
	if len(c.Secret.Files) > 0 {
		data := pulumi.StringMap{}
		for file, content := range c.Secret.Files {
			data[file] = content
		}
		sealed := pulumi.ToSecret(data).(pulumi.StringMapOutput)
		secret, err := corev1.NewSecret(ctx, naming.Child(name, "secret"), &corev1.SecretArgs{
			Metadata: c.metadata(), StringData: sealed, Type: pulumi.String("Opaque"),
		}, opts...)
		if err != nil {
			return parts{}, err
		}
		out.resources = append(out.resources, secret)
		// It stays secret: a digest of a short password could be guessed from.
		annotations[SecretDigest] = sealed.ApplyT(Digest).(pulumi.StringOutput)
	}
	if !c.Pod.HostNetwork {
		policy, err := c.Network.policy(ctx, naming.Child(name, "network-policy"), c.metadata(), c.selector(), opts...)
		if err != nil {
			return parts{}, err
		}
		out.resources = append(out.resources, policy)
	}
	meta := &metav1.ObjectMetaArgs{Labels: c.labels()}
	if len(annotations) > 0 {
		meta.Annotations = annotations
	}
	out.template = &corev1.PodTemplateSpecArgs{Metadata: meta, Spec: podSpec(spec)}
	return out, nil
}

// after is what the pods' owner waits for: what the caller named, and the objects that the pods mount or that close their network.
func (c Common) after(p parts) pulumi.ResourceOption {
	return pulumi.DependsOn(slices.Concat(c.After, p.resources))
}

// Digest is a short digest of files, by name and content.
func Digest(files map[string]string) string {
	// JSON sorts a map's keys, and its quoting keeps names and contents apart.
	text, err := json.Marshal(files)
	if err != nil {
		return err.Error() // a map of strings always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
