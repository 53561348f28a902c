package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// Installation is the operating system of a dedicated server.
type Installation struct{}

// VPSInstallation is the operating system of a VPS.
type VPSInstallation struct{}

// InstallationArgs is what is installed. See sdk.InstallationArgs.
type InstallationArgs struct {
	ServiceName     string          `pulumi:"serviceName"`
	Address         string          `pulumi:"address"`
	OperatingSystem *string         `pulumi:"operatingSystem,optional"`
	Hostname        string          `pulumi:"hostname"`
	SSHPublicKey    string          `pulumi:"sshPublicKey"`
	Generation      int             `pulumi:"generation"`
	Adopt           *bool           `pulumi:"adopt,optional"`
	Partitions      []PartitionArgs `pulumi:"partitions,optional"`
}

// PartitionArgs is one partition, mirrored over all disks unless another RAID level is given. Dedicated servers only.
type PartitionArgs struct {
	MountPoint string `pulumi:"mountPoint"`
	FileSystem string `pulumi:"fileSystem"`
	SizeMiB    int    `pulumi:"sizeMiB"` // 0: the rest
	RAIDLevel  *int   `pulumi:"raidLevel,optional"`
}

// InstallationState is what was installed.
type InstallationState struct {
	InstallationArgs
	HostKey             string `pulumi:"hostKey"`
	User                string `pulumi:"user"`
	InstalledGeneration int    `pulumi:"installedGeneration"`
}

var (
	_ infer.CustomResource[InstallationArgs, InstallationState]       = (*Installation)(nil)
	_ infer.CustomCheck[InstallationArgs]                             = (*Installation)(nil)
	_ infer.CustomDiff[InstallationArgs, InstallationState]           = (*Installation)(nil)
	_ infer.CustomUpdate[InstallationArgs, InstallationState]         = (*Installation)(nil)
	_ infer.CustomRead[InstallationArgs, InstallationState]           = (*Installation)(nil)
	_ infer.ExplicitDependencies[InstallationArgs, InstallationState] = (*Installation)(nil)
	_ infer.CustomResource[InstallationArgs, InstallationState]       = (*VPSInstallation)(nil)
	_ infer.CustomCheck[InstallationArgs]                             = (*VPSInstallation)(nil)
	_ infer.CustomDiff[InstallationArgs, InstallationState]           = (*VPSInstallation)(nil)
	_ infer.CustomUpdate[InstallationArgs, InstallationState]         = (*VPSInstallation)(nil)
	_ infer.CustomRead[InstallationArgs, InstallationState]           = (*VPSInstallation)(nil)
	_ infer.ExplicitDependencies[InstallationArgs, InstallationState] = (*VPSInstallation)(nil)
)

// Annotate names the resource.
func (r *Installation) Annotate(a infer.Annotator) {
	a.SetToken("index", "Installation")
	a.Describe(&r, "The operating system of a dedicated server. Only a higher generation wipes it and installs again.")
}

// Annotate names the resource.
func (r *VPSInstallation) Annotate(a infer.Annotator) {
	a.SetToken("index", "VPSInstallation")
	a.Describe(&r, "The operating system of a VPS. Only a higher generation wipes it and installs again.")
}

// Check validates the inputs.
func (*Installation) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[InstallationArgs], error) {
	return checkInstallation(ctx, order.Dedicated, r)
}

// Check validates the inputs.
func (*VPSInstallation) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[InstallationArgs], error) {
	return checkInstallation(ctx, order.VPS, r)
}

func checkInstallation(ctx context.Context, kind order.Kind, r infer.CheckRequest) (infer.CheckResponse[InstallationArgs], error) {
	args, failures, err := infer.DefaultCheck[InstallationArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[InstallationArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, v ...any) {
		if !r.NewInputs.Get(property).HasComputed() {
			failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, v...)})
		}
	}
	if args.Generation < 1 {
		fail("generation", "is %d; begin with 1 and raise it to wipe the host and install again", args.Generation)
	}
	if !strings.HasPrefix(args.SSHPublicKey, "ssh-") && !strings.HasPrefix(args.SSHPublicKey, "ecdsa-") {
		fail("sshPublicKey", "is not a line of authorized_keys; give one that begins with ssh-ed25519")
	}
	if n := len(args.Hostname); n < 1 || n > 63 || args.Hostname[0] < 'a' || args.Hostname[0] > 'z' {
		fail("hostname", "%q is not one label of 1 to 63 characters that begins with a letter", args.Hostname)
	}
	if kind == order.VPS && len(args.Partitions) > 0 {
		fail("partitions", "are for dedicated servers only: a VPS comes with one disk image; leave them out")
	}
	return infer.CheckResponse[InstallationArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares. See diffInstallation.
func (*Installation) Diff(ctx context.Context, r infer.DiffRequest[InstallationArgs, InstallationState]) (infer.DiffResponse, error) {
	return diffInstallation(ctx, r)
}

// Diff compares. See diffInstallation.
func (*VPSInstallation) Diff(ctx context.Context, r infer.DiffRequest[InstallationArgs, InstallationState]) (infer.DiffResponse, error) {
	return diffInstallation(ctx, r)
}

// diffInstallation replaces when the service itself is another one, installs on a higher generation, and refuses everything that would need an
// installation nobody asked for.
func diffInstallation(ctx context.Context, r infer.DiffRequest[InstallationArgs, InstallationState]) (infer.DiffResponse, error) {
	old, new := r.State, r.Inputs
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	mark := func(property string, kind p.DiffKind) {
		resp.HasChanges = true
		resp.DetailedDiff[property] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
	if old.ServiceName != new.ServiceName {
		mark("serviceName", p.UpdateReplace)
		return resp, nil
	}
	if new.Generation < old.InstalledGeneration {
		return resp, fmt.Errorf("generation cannot go down from %d to %d: %s holds %d; a higher one wipes it and installs again",
			old.InstalledGeneration, new.Generation, old.ServiceName, old.InstalledGeneration)
	}
	higher := new.Generation > old.InstalledGeneration
	if higher {
		mark("generation", p.Update)
		if old.InstalledGeneration > 0 {
			runtimeOf(ctx).log(ctx, "WIPES the disks of %s: generation %d replaces %d", old.ServiceName, new.Generation, old.InstalledGeneration)
		}
	}
	imported := old.SSHPublicKey == "" // an import does not tell what a host was installed with
	if was, is := deref(old.OperatingSystem, ""), deref(new.OperatingSystem, ""); was != is && !imported {
		if !higher {
			return resp, fmt.Errorf("operatingSystem cannot change from %q to %q under generation %d; raise the generation to %d, which wipes %s, or keep the old one",
				was, is, new.Generation, old.InstalledGeneration+1, old.ServiceName)
		}
		mark("operatingSystem", p.Update)
	}
	for property, v := range map[string][2]string{
		"address": {old.Address, new.Address}, "hostname": {old.Hostname, new.Hostname}, "sshPublicKey": {old.SSHPublicKey, new.SSHPublicKey},
		"partitions": {fmt.Sprint(layout(old.Partitions)), fmt.Sprint(layout(new.Partitions))},
	} {
		if v[0] != v[1] && (!imported || property == "address") {
			mark(property, p.Update)
		}
	}
	return resp, nil
}

func layout(in []PartitionArgs) []api.Partition {
	var out []api.Partition
	for _, a := range in {
		level := 1
		if a.RAIDLevel != nil {
			level = *a.RAIDLevel
		}
		out = append(out, api.Partition{MountPoint: a.MountPoint, FileSystem: a.FileSystem, SizeMiB: a.SizeMiB, RAIDLevel: level})
	}
	return out
}

// Create installs, or adopts what the service's tags say is installed.
func (*Installation) Create(ctx context.Context, r infer.CreateRequest[InstallationArgs]) (infer.CreateResponse[InstallationState], error) {
	return createInstallation(ctx, order.Dedicated, r)
}

// Create installs, or adopts what the service's tags say is installed.
func (*VPSInstallation) Create(ctx context.Context, r infer.CreateRequest[InstallationArgs]) (infer.CreateResponse[InstallationState], error) {
	return createInstallation(ctx, order.VPS, r)
}

func createInstallation(ctx context.Context, kind order.Kind, r infer.CreateRequest[InstallationArgs]) (infer.CreateResponse[InstallationState], error) {
	out := InstallationState{InstallationArgs: r.Inputs, User: "debian"}
	if r.DryRun {
		return infer.CreateResponse[InstallationState]{ID: r.Inputs.ServiceName, Output: out}, nil
	}
	begun, err := install(ctx, kind, &out, 0)
	if err != nil && begun {
		err = keep(err)
	}
	return infer.CreateResponse[InstallationState]{ID: r.Inputs.ServiceName, Output: out}, err
}

// Update installs when the generation is higher, and goes on with an installation that was interrupted.
func (*Installation) Update(ctx context.Context, r infer.UpdateRequest[InstallationArgs, InstallationState]) (infer.UpdateResponse[InstallationState], error) {
	return updateInstallation(ctx, order.Dedicated, r)
}

// Update installs when the generation is higher, and goes on with an installation that was interrupted.
func (*VPSInstallation) Update(ctx context.Context, r infer.UpdateRequest[InstallationArgs, InstallationState]) (infer.UpdateResponse[InstallationState], error) {
	return updateInstallation(ctx, order.VPS, r)
}

func updateInstallation(ctx context.Context, kind order.Kind, r infer.UpdateRequest[InstallationArgs, InstallationState]) (infer.UpdateResponse[InstallationState], error) {
	out := r.State
	out.InstallationArgs = r.Inputs
	out.User = "debian"
	higher := r.Inputs.Generation > r.State.InstalledGeneration
	if higher {
		out.HostKey = ""
	}
	if r.DryRun {
		return infer.UpdateResponse[InstallationState]{Output: out}, nil
	}
	if !higher && out.HostKey != "" {
		if r.State.SSHPublicKey != r.Inputs.SSHPublicKey || r.State.Hostname != r.Inputs.Hostname {
			runtimeOf(ctx).log(ctx, "%s keeps its disks: key and host name of the installation take effect at the next generation", out.ServiceName)
		}
		return infer.UpdateResponse[InstallationState]{Output: out}, nil
	}
	if _, err := install(ctx, kind, &out, r.State.InstalledGeneration); err != nil {
		return infer.UpdateResponse[InstallationState]{Output: out}, keep(err)
	}
	return infer.UpdateResponse[InstallationState]{Output: out}, nil
}

// WireDependencies keeps a pinned host key known through previews that install nothing.
func (*Installation) WireDependencies(f infer.FieldSelector, _ *InstallationArgs, s *InstallationState) {
	wireInstallation(f, s)
}

// WireDependencies keeps a pinned host key known through previews that install nothing.
func (*VPSInstallation) WireDependencies(f infer.FieldSelector, _ *InstallationArgs, s *InstallationState) {
	wireInstallation(f, s)
}

func wireInstallation(f infer.FieldSelector, s *InstallationState) {
	f.OutputField(&s.User).AlwaysKnown()
	if s.HostKey != "" {
		f.OutputField(&s.HostKey).AlwaysKnown()
		f.OutputField(&s.InstalledGeneration).AlwaysKnown()
	}
}

// Read says what the service's tags say.
func (*Installation) Read(ctx context.Context, r infer.ReadRequest[InstallationArgs, InstallationState]) (infer.ReadResponse[InstallationArgs, InstallationState], error) {
	return readInstallation(ctx, order.Dedicated, r)
}

// Read says what the service's tags say.
func (*VPSInstallation) Read(ctx context.Context, r infer.ReadRequest[InstallationArgs, InstallationState]) (infer.ReadResponse[InstallationArgs, InstallationState], error) {
	return readInstallation(ctx, order.VPS, r)
}

func readInstallation(ctx context.Context, kind order.Kind, r infer.ReadRequest[InstallationArgs, InstallationState]) (infer.ReadResponse[InstallationArgs, InstallationState], error) {
	resp := infer.ReadResponse[InstallationArgs, InstallationState](r)
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return resp, err
	}
	service, err := c.Service(ctx, kind, r.ID)
	if api.IsNotFound(err) {
		return infer.ReadResponse[InstallationArgs, InstallationState]{}, nil
	}
	if api.IsExpired(err) {
		return resp, nil
	}
	if err != nil {
		return resp, err
	}
	g := parseProgress(service.IAM.Tags[TagGeneration]).installed
	if resp.State.ServiceName == "" { // an import: what runs there is taken for generation 1 unless a tag knows better
		resp.State.ServiceName, resp.State.Address, resp.State.User = service.Name, service.Address, "debian"
		resp.State.InstalledGeneration = max(1, g)
		resp.State.Generation = resp.State.InstalledGeneration
		if resp.State.HostKey, err = rt.pin(ctx, service); err != nil {
			return resp, err
		}
		resp.Inputs = resp.State.InstallationArgs
		return resp, nil
	}
	if g > 0 {
		resp.State.InstalledGeneration = g
	}
	return resp, nil
}

// progress is what the tag says: "3" is installed; "3@555" is about to be installed, when task 555 was the newest; "3:777" is being installed by task 777. Both end
// in "+2" when the disks held generation 2 before: an installation that never began leaves them as they are. Only characters that the tags of any vendor take.
type progress struct {
	installed  int
	installing int
	before     int64 // newest task when the installation was about to start
	task       int64
}

func (g progress) String() string {
	held := ""
	if g.installed > 0 {
		held = fmt.Sprintf("+%d", g.installed)
	}
	switch {
	case g.task != 0:
		return fmt.Sprintf("%d:%d", g.installing, g.task) + held
	case g.installing != 0:
		return fmt.Sprintf("%d@%d", g.installing, g.before) + held
	}
	return strconv.Itoa(g.installed)
}

var progressTag = regexp.MustCompile(`^(\d+)(?:([@:])(\d+)(?:\+(\d+))?)?$`)

// parseProgress reads a tag; a text that is none says that nothing is installed.
func parseProgress(tag string) (g progress) {
	m := progressTag.FindStringSubmatch(tag)
	if m == nil {
		return g
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(m[i], 10, 64)
		if err != nil {
			return 0 // not there, or longer than any number of a task
		}
		return n
	}
	switch m[2] {
	case "":
		g.installed = int(number(1))
	case ":":
		g.installing, g.task, g.installed = int(number(1)), number(3), int(number(4))
	default:
		g.installing, g.before, g.installed = int(number(1)), number(3), int(number(4))
	}
	return g
}

// install brings the service to the generation asked for. Known is what the state says of the disks, 0 when it says nothing; it counts for a service that was
// imported and has no tag yet. Begun says whether the disks may have been touched.
func install(ctx context.Context, kind order.Kind, s *InstallationState, known int) (begun bool, err error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return false, err
	}
	deadline := time.Now().Add(rt.wait)
	service, err := c.Service(ctx, kind, s.ServiceName)
	if err != nil {
		return false, err
	}
	tag, marked := service.IAM.Tags[TagGeneration]
	at := parseProgress(tag)
	if !marked {
		if known == 0 && truth(s.Adopt) {
			known = s.Generation
		}
		if known == 0 {
			return false, fmt.Errorf("%s does not say what its disks hold (tag %s), so it is never wiped by a first installation; to keep what runs on it say so in the stack (Adopt), or import it: pulumi import %s %s %s",
				s.ServiceName, TagGeneration, urnOf(ctx).Type(), urnOf(ctx).Name(), s.ServiceName)
		}
		at.installed = known
	}
	if at.installing > s.Generation {
		if at, err = rt.outlived(ctx, c, kind, service, s, at); err != nil {
			return false, err
		}
	}
	installed := at.installed
	if at.installing > s.Generation {
		rt.log(ctx, "%s is being installed with generation %d already: that one is followed, nothing is wiped again", s.ServiceName, at.installing)
		s.Generation = at.installing
	}
	if installed < s.Generation {
		if at.installing != s.Generation {
			at = progress{installed: installed}
		}
		if err := rt.wipe(ctx, c, kind, service, s, at, deadline); err != nil {
			return true, err
		}
	} else {
		rt.log(ctx, "%s holds generation %d already: adopted, nothing is installed", s.ServiceName, installed)
		s.Generation = max(s.Generation, installed)
	}
	if service, err = c.Service(ctx, kind, s.ServiceName); err != nil {
		return true, err
	}
	if s.HostKey, err = rt.pin(ctx, service); err != nil {
		return true, err
	}
	if tag != strconv.Itoa(s.Generation) {
		// The fingerprint is written before the generation: an adoption must never find a host without its pin.
		if err := c.Tag(ctx, service.IAM.URN, TagHostKey, fingerprint(s.HostKey)); err != nil {
			return true, err
		}
		if err := c.Tag(ctx, service.IAM.URN, TagGeneration, strconv.Itoa(s.Generation)); err != nil {
			return true, err
		}
	}
	s.InstalledGeneration = s.Generation
	return true, nil
}

func fingerprint(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// outlived looks at an installation of a higher generation than the stack asks for now: the stack went back, or its state was lost, after a run that was cut off. What began
// is gone on with. What never began is taken back, so that the disks are what they were.
func (rt *runtime) outlived(ctx context.Context, c *api.Client, kind order.Kind, service api.Service, s *InstallationState, at progress) (progress, error) {
	if at.task != 0 {
		return at, nil
	}
	newest, err := c.NewestTask(ctx, kind, s.ServiceName, kind.Traits().Tasks.Install)
	if err != nil {
		return at, err
	}
	if newest > at.before {
		at.task = newest
		return at, nil
	}
	at = progress{installed: at.installed}
	return at, c.Tag(ctx, service.IAM.URN, TagGeneration, at.String())
}

// wipe starts the installation unless an earlier run did, and waits for its end.
func (rt *runtime) wipe(ctx context.Context, c *api.Client, kind order.Kind, service api.Service, s *InstallationState, at progress, deadline time.Time) error {
	task := at.task
	if task == 0 {
		var err error
		if task, err = rt.start(ctx, c, kind, service, s, at, deadline); err != nil {
			return err
		}
		// With its number written down, a run that comes later follows this task instead of starting another.
		if err := c.Tag(ctx, service.IAM.URN, TagGeneration, progress{installed: at.installed, installing: s.Generation, task: task}.String()); err != nil {
			return err
		}
	}
	shown := ""
	for {
		t, err := c.Task(ctx, kind, s.ServiceName, task)
		switch {
		case api.IsPassing(err):
		case err != nil:
			return fmt.Errorf("installation of %s: %w", s.ServiceName, err)
		case t.Status == "done":
			return nil
		case !t.Running():
			_, failure, _ := c.InstallProgress(ctx, s.ServiceName)
			// The number is taken back, so that the next run starts a new installation. What the disks held is gone.
			err := c.Tag(ctx, service.IAM.URN, TagGeneration, progress{installing: s.Generation, before: task}.String())
			return errors.Join(fmt.Errorf("installation of %s ended as %s: %s %s; run again to install it anew", s.ServiceName, t.Status, t.Comment, failure), err)
		}
		line := t.Comment
		if kind == order.Dedicated {
			if step, _, err := c.InstallProgress(ctx, s.ServiceName); err == nil && step != "" {
				line = step
			}
		}
		if line != "" && line != shown {
			shown = line
			rt.status(ctx, "installing %s: %s", s.ServiceName, line)
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return fmt.Errorf("%s is still being installed (%s); run again, it goes on from here", s.ServiceName, shown)
		}
	}
}

// start begins the installation once. An answer that did not come is looked up in the tasks, by an earlier run's note if need be, never asked for again.
func (rt *runtime) start(ctx context.Context, c *api.Client, kind order.Kind, service api.Service, s *InstallationState, at progress, deadline time.Time) (int64, error) {
	traits := kind.Traits()
	for {
		newest, err := c.NewestTask(ctx, kind, s.ServiceName, traits.Tasks.Install)
		if err != nil {
			return 0, err
		}
		if at.installing != 0 && newest > at.before {
			return newest, nil
		}
		running, err := c.RunningTasks(ctx, kind, s.ServiceName, "")
		if err != nil {
			return 0, err
		}
		if len(running) == 0 {
			at.installing, at.before = s.Generation, newest
			break
		}
		rt.status(ctx, "%s is busy with %s, waiting", s.ServiceName, running[0].Function)
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return 0, fmt.Errorf("%s is still busy with %s; run again later", s.ServiceName, running[0].Function)
		}
	}
	if err := c.Tag(ctx, service.IAM.URN, TagGeneration, at.String()); err != nil {
		return 0, err
	}
	var t api.Task
	var err error
	system := deref(s.OperatingSystem, traits.Image)
	if kind == order.VPS {
		var image string
		if image, err = c.VPSImage(ctx, s.ServiceName, system); err != nil {
			return 0, err
		}
		t, err = c.Rebuild(ctx, s.ServiceName, image, s.SSHPublicKey)
	} else {
		t, err = c.Reinstall(ctx, s.ServiceName, system, s.Hostname, s.SSHPublicKey, layout(s.Partitions))
	}
	if err == nil && t.ID != 0 {
		return t.ID, nil
	}
	if err == nil || api.Executed(err) || api.IsConflict(err) {
		newest, lookErr := c.NewestTask(ctx, kind, s.ServiceName, traits.Tasks.Install)
		if lookErr == nil && newest > at.before {
			return newest, nil
		}
		err = errors.Join(err, lookErr)
	}
	return 0, fmt.Errorf("installation of %s did not start; run again: %w", s.ServiceName, err)
}

// pin reads the host's key, and compares it with the fingerprint that the installation left on the service.
func (rt *runtime) pin(ctx context.Context, service api.Service) (string, error) {
	var key string
	var err error
	for range 40 {
		if key, err = rt.options.HostKey(ctx, service.Address); err == nil {
			break
		}
		if !rt.sleep(ctx) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("host key of %s at %s: %w; see whether its sshd answers, then run again", service.Name, service.Address, err)
	}
	at := parseProgress(service.IAM.Tags[TagGeneration])
	if want := service.IAM.Tags[TagHostKey]; want != "" && at.installed > 0 && at.installing == 0 && want != fingerprint(key) {
		return "", fmt.Errorf("%s at %s shows a host key that is not the one it had after its installation: somebody may stand in between; compare it in OVH's console before taking the tag %s off",
			service.Name, service.Address, TagHostKey)
	}
	return key, nil
}
