package bringup

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"havre/components/naming"
	"havre/components/ovh/order"
	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/step"
	"havre/infra/workspace"
	"havre/stacks"
)

// Preview shows what `pulumi up` would do with a new stack, against simulators that this process runs for as long as it takes. It needs
// no root, changes nothing but build/preview, and touches no other stack's state. Where the sandbox is up, stack local is previewed as it is.
func Preview(ctx context.Context, ws workspace.Workspace, steps *step.Steps, stack string, flags ...string) error {
	var kubernetes string
	if err := steps.Run("tools and binaries", func(report func(string)) error {
		paths, err := BuildTools(ctx, ws, EngineTools, report)
		if err != nil {
			return err
		}
		kubernetes = paths["pulumi-resource-kubernetes"]
		return BuildOwn(ctx, ws, kubernetes, func(string) {})
	}); err != nil {
		return err
	}
	if stack == "local" && running(ctx) {
		return steps.Run("pulumi preview --stack local, of the sandbox that is up", func(report func(string)) error {
			return Pulumi{Workspace: ws, Env: ws.LocalEnv(), Report: report}.Run(ctx, append([]string{"preview", "--stack", "local"}, flags...)...)
		})
	}
	return steps.Run("pulumi preview --stack "+stack+", on a new account", func(report func(string)) error {
		return previewNew(ctx, ws, stack, report, flags)
	})
}

// running says whether the sandbox's simulator answers.
func running(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimSuffix(strings.TrimPrefix(workspace.OVHEndpoint, "http://"), "/1.0"))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func previewNew(ctx context.Context, ws workspace.Workspace, stack string, report func(string), flags []string) error {
	folder := filepath.Join(ws.Preview(), stack)
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	simulators, stop, err := simulate(ctx, folder, stack)
	if err != nil {
		return err
	}
	defer stop()
	if err := writePreviewSettings(ws, stack, simulators.Folder, report); err != nil {
		return err
	}
	env := ws.PreviewEnv(simulators)
	env["PULUMI_BACKEND_URL"] = "file://" + filepath.Join(folder, "state")
	config, err := emptyStack(ws, folder, stack)
	if err != nil {
		return err
	}
	if err := baseStack(folder, stack); err != nil {
		return err
	}
	pulumi := Pulumi{Workspace: ws, Env: env, Report: report}
	return pulumi.Run(ctx, append([]string{"preview", "--stack", stack, "--config-file", config}, flags...)...)
}

// emptyStack writes the state of a stack that has nothing yet, and a copy of its configuration, so that what Pulumi adds to it (the salt of the
// passphrase) does not end up in the repository.
func emptyStack(ws workspace.Workspace, folder, stack string) (config string, err error) {
	file := "Pulumi." + stack + ".yaml"
	settings := file
	if review, found, err := stacks.ReviewNamed(stack); found {
		if err != nil {
			return "", err
		}
		// A review is made for a pull request and is in no repository; it begins with the settings of the stack that it is of.
		settings = "Pulumi." + review.Of.Name + ".yaml"
	}
	text, err := os.ReadFile(ws.Path(settings))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("stack %s: no %s here; wanted one of prod, staging, load-test, local, a review such as review-42, or describe it in stacks/ and add the file", stack, settings)
	}
	if err != nil {
		return "", fmt.Errorf("preview: %w", err)
	}
	config = filepath.Join(folder, file)
	kept := filepath.Join(folder, "state", ".pulumi", "stacks", "havre")
	return config, errors.Join(
		os.WriteFile(config, text, 0o600),
		os.MkdirAll(kept, 0o755),
		os.WriteFile(filepath.Join(folder, "state", ".pulumi", "meta.yaml"), []byte("version: 1\n"), 0o644),
		os.WriteFile(filepath.Join(kept, stack+".json"), fmt.Appendf(nil, `{"version":3,"checkpoint":{"stack":"organization/havre/%s","latest":null}}`, stack), 0o600),
	)
}

// baseStack writes the state of the stack that a review is of: one that is up, all of whose outputs are still to be known. Other stacks have none.
func baseStack(folder, stack string) error {
	review, found, err := stacks.ReviewNamed(stack)
	if !found || err != nil {
		return err
	}
	state, err := json.Marshal(map[string]any{"version": 3, "checkpoint": map[string]any{
		"stack": "organization/havre/" + review.Of.Name,
		"latest": map[string]any{
			"manifest": map[string]any{"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
			"resources": []any{map[string]any{
				"urn": "urn:pulumi:" + review.Of.Name + "::havre::pulumi:pulumi:Stack::havre-" + review.Of.Name, "custom": false, "type": "pulumi:pulumi:Stack",
				"outputs": map[string]string{"kubeconfig": stacks.Planned, "nodes": stacks.Planned, "edgeAuthority": stacks.Planned},
			}},
		},
	}})
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	return os.WriteFile(filepath.Join(folder, "state", ".pulumi", "stacks", "havre", review.Of.Name+".json"), state, 0o600)
}

// simulate runs both simulators on free ports of loopback until stop is called. A stack whose database is a copy finds in its account what it copies.
func simulate(ctx context.Context, folder, stack string) (workspace.Simulators, func(), error) {
	none := func() {}
	ovh, err := ovhsim.New(ovhsim.Options{Dir: filepath.Join(folder, "ovh"), Machines: ovhsim.NoMachines{}})
	if err != nil {
		return workspace.Simulators{}, none, err
	}
	if err := holdSource(ovh, stack); err != nil {
		return workspace.Simulators{}, none, errors.Join(err, ovh.Close())
	}
	cloudflare, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(folder, "cloudflare"), Token: workspace.CloudflareToken})
	if err != nil {
		return workspace.Simulators{}, none, errors.Join(err, ovh.Close())
	}
	listen := func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") }
	plain, err := listen()
	if err != nil {
		return workspace.Simulators{}, none, errors.Join(err, ovh.Close())
	}
	secure, err := listen()
	if err != nil {
		return workspace.Simulators{}, none, errors.Join(err, plain.Close(), ovh.Close())
	}
	ovhServer := &http.Server{Handler: ovh.Handler(), ReadHeaderTimeout: 10 * time.Second}
	cloudflareServer := &http.Server{Handler: cloudflare.Handler(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: cloudflare.TLSConfig()}
	go func() { _ = ovhServer.Serve(plain) }()
	go func() { _ = cloudflareServer.ServeTLS(secure, "", "") }()
	stop := func() {
		_ = ovhServer.Close()
		_ = cloudflareServer.Close()
		_ = ovh.Close()
	}
	if err := WriteBundle(filepath.Join(folder, "ca-bundle.pem"), cloudflare.CAPEM()); err != nil {
		stop()
		return workspace.Simulators{}, none, err
	}
	return workspace.Simulators{OVH: "http://" + plain.Addr().String() + "/1.0", Cloudflare: secure.Addr().String(), Folder: folder}, stop, nil
}

// holdSource gives the account the database that a stack forks, with a backup: the preview is of a new stack in an account where the other stack already is.
// A stack that is not described has nothing to fork; its program says so.
func holdSource(ovh *ovhsim.Simulator, stack string) error {
	if !slices.Contains(stacks.Names(), stack) {
		return nil
	}
	fork, err := stacks.ByName(stack)
	if err != nil || fork.Database.ForkOf == "" {
		return err
	}
	source, err := stacks.ByName(fork.Database.ForkOf)
	if err != nil {
		return fmt.Errorf("preview: what the database of stack %s is a fork of: %w", stack, err)
	}
	db := source.Database
	return ovh.HoldDatabase(ovhsim.HeldDatabase{
		Description: databaseMark(source.Name), Plan: db.Plan, Version: db.Version, Flavor: db.Flavor, Region: db.Region, Nodes: db.Nodes,
	})
}

// databaseMark is the description that a stack's run gives its database; it follows from the URN, as infra/platform registers it.
func databaseMark(stack string) string {
	name := naming.Child("database", "service")
	return order.Mark("havre", stack, name, fmt.Sprintf("urn:pulumi:%s::havre::%s$ovhmetal:index:Database::%s", stack, naming.Database, name))
}

// systemBundle is where Debian keeps the certificates that a machine trusts.
const systemBundle = "/etc/ssl/certs/ca-certificates.crt"

// WriteBundle writes the machine's own trusted certificates with one more, for SSL_CERT_FILE: what trusted the one must go on trusting the others.
func WriteBundle(path string, authority []byte) error {
	text, err := os.ReadFile(systemBundle)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := os.WriteFile(path, append(text, authority...), 0o644); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return nil
}

// writePreviewSettings gives the preview what a stack's configuration would hold in secret, and, for stack local, what the sandbox would have made.
func writePreviewSettings(ws workspace.Workspace, stack, folder string, report func(string)) error {
	private, public, err := newSSHKey("preview")
	if err != nil {
		return err
	}
	settings := map[string]any{"sshPrivateKey": private, "sshPublicKey": public, "edgeStorageSecretKey": "preview", "backupSecretKey": "preview", "backupPassword": "preview-preview-preview"}
	if stack == "local" || strings.HasPrefix(stack, "local-") {
		made, err := os.ReadFile(ws.Settings())
		switch {
		case err == nil:
			if err := json.Unmarshal(made, &settings); err != nil {
				return fmt.Errorf("preview: %s: %w; run make down and make up", ws.Settings(), err)
			}
		case errors.Is(err, os.ErrNotExist):
			report("no sandbox has been made yet: checksums and image digests are shown as zeros")
			unmade(settings)
		default:
			return fmt.Errorf("preview: %w", err)
		}
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	return os.WriteFile(filepath.Join(folder, "settings.json"), text, 0o600)
}

// unmade stands for the artifacts and images of a sandbox that was never up: plain zeros, so that nobody takes them for real ones.
func unmade(settings map[string]any) {
	zeros := strings.Repeat("0", 64)
	artifacts, images := map[string]any{}, map[string]string{}
	for _, name := range []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl", "wireguard-go"} {
		artifacts[name] = map[string]string{"path": "/sha256/" + zeros + "/" + name, "sha256": zeros}
	}
	for _, name := range []string{"renderer", "caddy", "coredns", "metrics-server", "cilium", "cilium-operator", "kube-proxy", "pause"} {
		images[name] = "198.51.100.1:5000/" + name + "@sha256:" + zeros
	}
	settings["artifactMirror"], settings["artifacts"] = "http://198.51.100.1:8080", artifacts
	settings["imageRegistry"], settings["images"] = "198.51.100.1:5000", images
	settings["backupAccessKey"] = "preview"
}

// newSSHKey makes a key pair: the private half in OpenSSH's format, the public half as a line of authorized_keys.
func newSSHKey(comment string) (private, public string, err error) {
	publicKey, privateKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("ssh key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(privateKey, comment)
	if err != nil {
		return "", "", fmt.Errorf("ssh key: %w", err)
	}
	line, err := ssh.NewPublicKey(publicKey)
	if err != nil {
		return "", "", fmt.Errorf("ssh key: %w", err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))) + " " + comment, nil
}
