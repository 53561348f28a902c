package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"havre/stacks"
)

// Settings are the values that are not in the repository as Go: secrets, digests, the account guard and the budget. They come from the stack's
// Pulumi.<stack>.yaml; a sandbox lays those it made itself over them.
type Settings struct {
	// Account is the OVH account that the run may order from.
	Account string `json:"-"`
	// BudgetEuros is the bound of the servers' monthly price, in euros without tax.
	BudgetEuros int `json:"-"`
	// SSHPublicKey is one line of authorized_keys; SSHPrivateKey its private half.
	SSHPublicKey  string `json:"sshPublicKey"`
	SSHPrivateKey string `json:"sshPrivateKey"`
	// ArtifactMirror is the URL that paths of Artifacts are relative to.
	ArtifactMirror string              `json:"artifactMirror"`
	Artifacts      map[string]Artifact `json:"artifacts"`
	// ImageRegistry serves the control plane's images; "" for Kubernetes' own registry.
	ImageRegistry string            `json:"imageRegistry"`
	Images        map[string]string `json:"images"`
	// EdgeStorageAccessKey and EdgeStorageSecretKey open the bucket of the edge's certificates.
	EdgeStorageAccessKey string `json:"edgeStorageAccessKey"`
	EdgeStorageSecretKey string `json:"edgeStorageSecretKey"`
	// BackupAccessKey and BackupSecretKey open the bucket of the cluster's backups; BackupPassword encrypts what is in it.
	BackupAccessKey string `json:"backupAccessKey"`
	BackupSecretKey string `json:"backupSecretKey"`
	BackupPassword  string `json:"backupPassword"`
	// PodNetwork is what a sandbox was started with, instead of the description's; "" leaves that. Nothing but a sandbox's file may say it: a network is for a
	// cluster's life, so on real hosts it is a line that somebody reviews.
	PodNetwork stacks.PodNetwork `json:"podNetwork"`
	// KubernetesVersion is what a sandbox's cluster begins with, instead of the description's; "" leaves that. Nothing but a sandbox's file may say it.
	KubernetesVersion string `json:"kubernetesVersion"`
}

// Artifact is one pinned binary.
type Artifact struct {
	// Path is relative to the mirror and begins with a slash.
	Path string `json:"path"`
	// SHA256 is its checksum in 64 hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// URL is where a host fetches the artifact from.
func (s Settings) URL(name string) string { return s.ArtifactMirror + s.Artifacts[name].Path }

// OverlayVariable names the file that a sandbox writes its settings to. It is read as JSON, whose keys are those of Pulumi.yaml.
const OverlayVariable = "HAVRE_SETTINGS"

// loadSettings reads the stack's configuration and lays over it what the sandbox has made, then checks everything at once. The pod network and the version that a sandbox was
// started with go into the stack.
func loadSettings(ctx *pulumi.Context, overlay string, stack *stacks.Stack) (Settings, error) {
	settings, err := readSettings(ctx, overlay)
	errs := []error{err}
	switch {
	case settings.PodNetwork == "":
	case stack.Sandbox:
		stack.Pods.Network = settings.PodNetwork
	default:
		errs = append(errs, fmt.Errorf("%s: pod network %s is for a sandbox, and stack %s has real hosts; change Pods.Network in stacks/production.go", OverlayVariable, settings.PodNetwork, stack.Name))
	}
	switch {
	case settings.KubernetesVersion == "":
	case stack.Sandbox:
		stack.Cluster.KubernetesVersion = settings.KubernetesVersion
	default:
		errs = append(errs, fmt.Errorf("%s: Kubernetes %s is for a sandbox, and stack %s has real hosts; change Cluster.KubernetesVersion in stacks/production.go", OverlayVariable, settings.KubernetesVersion, stack.Name))
	}
	return settings, errors.Join(append(errs, settings.check(ctx.Stack(), wanted(*stack)))...)
}

// readSettings reads what there is. A secret in clear is refused here, and nothing that is missing.
func readSettings(ctx *pulumi.Context, overlay string) (Settings, error) {
	havre := config.New(ctx, "havre")
	settings := Settings{
		Account:        havre.Get("account"),
		BudgetEuros:    havre.GetInt("budgetEuros"),
		SSHPublicKey:   havre.Get("sshPublicKey"),
		SSHPrivateKey:  havre.Get("sshPrivateKey"),
		ArtifactMirror: havre.Get("artifactMirror"),
		ImageRegistry:  havre.Get("imageRegistry"),

		EdgeStorageAccessKey: havre.Get("edgeStorageAccessKey"),
		EdgeStorageSecretKey: havre.Get("edgeStorageSecretKey"),

		BackupAccessKey: havre.Get("backupAccessKey"),
		BackupSecretKey: havre.Get("backupSecretKey"),
		BackupPassword:  havre.Get("backupPassword"),
	}
	var errs []error
	if err := havre.GetObject("artifacts", &settings.Artifacts); err != nil {
		errs = append(errs, fmt.Errorf("config havre:artifacts: %w; wanted an object of name: {path, sha256} in Pulumi.%s.yaml", err, ctx.Stack()))
	}
	if err := havre.GetObject("images", &settings.Images); err != nil {
		errs = append(errs, fmt.Errorf("config havre:images: %w; wanted an object of name: image@sha256:digest in Pulumi.%s.yaml", err, ctx.Stack()))
	}
	if settings.SSHPrivateKey != "" && !ctx.IsConfigSecret("havre:sshPrivateKey") {
		errs = append(errs, fmt.Errorf("config havre:sshPrivateKey is in clear in Pulumi.%s.yaml; make a new key and set it with `pulumi config set --secret havre:sshPrivateKey < key`", ctx.Stack()))
	}
	for _, name := range []string{"edgeStorageSecretKey", "backupSecretKey", "backupPassword"} {
		if havre.Get(name) != "" && !ctx.IsConfigSecret("havre:"+name) {
			errs = append(errs, fmt.Errorf("config havre:%s is in clear in Pulumi.%s.yaml; make a new one and set it with `pulumi config set --secret havre:%[1]s`", name, ctx.Stack()))
		}
	}
	if overlay != "" {
		text, err := os.ReadFile(overlay)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; run make up, or unset it", OverlayVariable, err))
		} else if err := json.Unmarshal(text, &settings); err != nil {
			errs = append(errs, fmt.Errorf("%s: file %s: %w; run make up again", OverlayVariable, overlay, err))
		}
	}
	return settings, errors.Join(errs...)
}

// Wanted says what of the settings a stack cannot do without.
type Wanted struct {
	// Artifacts and Images are the names that must be there.
	Artifacts, Images []string
	// EdgeStorage says that the edge keeps its certificates in a bucket.
	EdgeStorage bool
}

var (
	sha256Hex   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	imageDigest = regexp.MustCompile(`^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$`)
	// It lies in flat JSON that a shell reads.
	backupPassword = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{20,100}$`)
	publicKey      = regexp.MustCompile(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp256) [A-Za-z0-9+/=]+( .*)?$`)
)

// check names everything that is missing or malformed, each with the place to mend it. A secret is never repeated in a message.
func (s Settings) check(stack string, wanted Wanted) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("config "+format+" in Pulumi."+stack+".yaml", args...))
	}
	if s.Account == "" {
		fail("havre:account is missing; set the OVH account that this stack may order from")
	}
	if s.BudgetEuros <= 0 {
		fail("havre:budgetEuros is %d; set the servers' monthly bound in euros, more than 0,", s.BudgetEuros)
	}
	if !publicKey.MatchString(s.SSHPublicKey) {
		fail("havre:sshPublicKey is %q; wanted one line of authorized_keys, such as ssh-ed25519 AAAA…,", s.SSHPublicKey)
	}
	if !strings.HasPrefix(s.SSHPrivateKey, "-----BEGIN ") {
		fail("havre:sshPrivateKey is missing or no private key; set it with `pulumi config set --secret havre:sshPrivateKey < key`")
	}
	if !strings.HasPrefix(s.ArtifactMirror, "https://") && !strings.HasPrefix(s.ArtifactMirror, "http://") {
		fail("havre:artifactMirror is %q; wanted an http or https URL", s.ArtifactMirror)
	}
	for _, name := range wanted.Artifacts {
		artifact, found := s.Artifacts[name]
		switch {
		case !found:
			fail("havre:artifacts has no %s; add its path at the mirror and its sha256", name)
		case !strings.HasPrefix(artifact.Path, "/"):
			fail("havre:artifacts: %s has the path %q; wanted one that begins with /", name, artifact.Path)
		case !sha256Hex.MatchString(artifact.SHA256):
			fail("havre:artifacts: %s has the sha256 %q; wanted 64 hexadecimal digits", name, artifact.SHA256)
		}
	}
	errs = append(errs, s.checkImages(stack, wanted.Images))
	if wanted.EdgeStorage && (s.EdgeStorageAccessKey == "" || s.EdgeStorageSecretKey == "") {
		fail("havre:edgeStorageAccessKey or havre:edgeStorageSecretKey is missing; set the keys of the bucket with the edge's certificates, the second with `pulumi config set --secret`,")
	}
	if s.BackupAccessKey == "" || s.BackupSecretKey == "" {
		fail("havre:backupAccessKey or havre:backupSecretKey is missing; set the keys of the bucket of the cluster's backups, the second with `pulumi config set --secret`,")
	}
	if !backupPassword.MatchString(s.BackupPassword) {
		fail("havre:backupPassword is not 20 to 100 letters, digits and + / = _ . -; make one with `openssl rand -base64 32`, keep it where the company keeps its passwords as well, and set it with `pulumi config set --secret`,")
	}
	return errors.Join(errs...)
}

// checkImages wants the named images, and a digest of each that is there.
func (s Settings) checkImages(stack string, wanted []string) error {
	var errs []error
	for _, name := range wanted {
		if _, found := s.Images[name]; !found {
			errs = append(errs, fmt.Errorf("config havre:images has no %s; add it as image@sha256:digest in Pulumi.%s.yaml", name, stack))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Images)) {
		if image := s.Images[name]; !imageDigest.MatchString(image) {
			errs = append(errs, fmt.Errorf("config havre:images: %s is %q; wanted image@sha256:digest, for a tag may change under a running service, in Pulumi.%s.yaml", name, image, stack))
		}
	}
	return errors.Join(errs...)
}
