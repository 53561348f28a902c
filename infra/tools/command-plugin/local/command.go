// Package local is the part of the command plugin that runs commands on this machine: local.Command.
//
// What one would get wrong: a command's children would outlive it when the run is cancelled, so each command is a process group of its own.
package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/command-plugin/output"
)

// endGrace is what a command gets after SIGTERM when the run is cancelled.
const endGrace = 5 * time.Second

// Command is local.Command.
type Command struct{}

// Logging is the input `logging`.
type Logging string

var _ infer.Enum[Logging] = Logging("")

// Values lists the values of the official plugin.
func (Logging) Values() []infer.EnumValue[Logging] { return output.Values[Logging]() }

// CommandInputs are its inputs.
type CommandInputs struct {
	Interpreter            *[]string         `pulumi:"interpreter,optional"`
	Dir                    *string           `pulumi:"dir,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	AssetPaths             *[]string         `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string         `pulumi:"archivePaths,optional"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// Results is what a run leaves.
type Results struct {
	Stdout  string                           `pulumi:"stdout"`
	Stderr  string                           `pulumi:"stderr"`
	Assets  *map[string]types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive                `pulumi:"archive,optional"`
}

// CommandOutputs is its state.
type CommandOutputs struct {
	CommandInputs
	Results
}

var (
	_ infer.CustomResource[CommandInputs, CommandOutputs] = (*Command)(nil)
	_ infer.CustomUpdate[CommandInputs, CommandOutputs]   = (*Command)(nil)
	_ infer.CustomDelete[CommandOutputs]                  = (*Command)(nil)
	_ infer.Annotated                                     = (*Command)(nil)
	_ infer.Annotated                                     = (*CommandInputs)(nil)
	_ infer.Annotated                                     = (*Results)(nil)
)

// Annotate describes the resource.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "A local command to be executed.")
}

// Annotate describes the inputs.
func (c *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Interpreter, "The program and arguments to run the command. Defaults to [\"/bin/sh\", \"-c\"].")
	a.Describe(&c.Dir, "The directory from which to run the command from. If it does not exist, the command fails.")
	a.Describe(&c.Environment, "Additional environment variables available to the command's process.")
	a.Describe(&c.Stdin, "Pass a string to the command's process as standard in")
	a.Describe(&c.Logging, "If the command's stdout and stderr should be logged. Defaults to logging both.")
	a.Describe(&c.AddPreviousOutputInEnv, "Whether the previous run's output is given to the next one as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. Defaults to true.")
	a.Describe(&c.AssetPaths, "A list of path globs to read after the command completes.")
	a.Describe(&c.ArchivePaths, "A list of path globs to return as a single archive asset after the command completes.")
	a.Describe(&c.Create, "The command to run once on resource creation.")
	a.Describe(&c.Update, "The command to run when the resource is updated. If empty, the create command will be executed instead.")
	a.Describe(&c.Delete, "The command to run on resource deletion.")
	a.Describe(&c.Triggers, "The resource will be replaced if any of these values change.")
}

// Annotate describes the outputs.
func (r *Results) Annotate(a infer.Annotator) {
	a.Describe(&r.Stdout, "The standard output of the command's process")
	a.Describe(&r.Stderr, "The standard error of the command's process")
	a.Describe(&r.Assets, "A map of assets found after running the command, by their path from the command's directory")
	a.Describe(&r.Archive, "An archive asset containing files found after running the command.")
}

// Create runs `create`. An error keeps nothing: the next run creates again.
func (*Command) Create(ctx context.Context, req infer.CreateRequest[CommandInputs]) (infer.CreateResponse[CommandOutputs], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err != nil {
		return infer.CreateResponse[CommandOutputs]{}, fmt.Errorf("make an id: %w", err)
	}
	state := CommandOutputs{CommandInputs: req.Inputs}
	if !req.DryRun && req.Inputs.Create != nil {
		err = state.run(ctx, *req.Inputs.Create)
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
}

// Update runs `update`, or `create` where there is none. The previous output is what the command finds in its environment, and stays when nothing runs.
func (*Command) Update(ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs]) (infer.UpdateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs, Results: req.State.Results}
	var err error
	switch {
	case req.DryRun:
	case req.Inputs.Update != nil:
		err = state.run(ctx, *req.Inputs.Update)
	case req.Inputs.Create != nil:
		err = state.run(ctx, *req.Inputs.Create)
	}
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs `delete`.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, req.State.run(ctx, *req.State.Delete)
}

// run runs one command and takes over its output and the files that it was asked for.
func (o *CommandOutputs) run(ctx context.Context, command string) error {
	interpreter := []string{"/bin/sh", "-c"}
	if o.Interpreter != nil && len(*o.Interpreter) > 0 {
		interpreter = *o.Interpreter
	}
	args := append(slices.Clone(interpreter), command)
	dir, err := os.Getwd()
	if o.Dir != nil {
		dir = *o.Dir
		_, err = os.Stat(dir)
	}
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}

	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, os.Environ()
	for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
		cmd.Env = append(cmd.Env, name+"="+o.Environment[name])
	}
	if o.AddPreviousOutputInEnv == nil || *o.AddPreviousOutputInEnv {
		if o.Stdout != "" {
			cmd.Env = append(cmd.Env, "PULUMI_COMMAND_STDOUT="+o.Stdout)
		}
		if o.Stderr != "" {
			cmd.Env = append(cmd.Env, "PULUMI_COMMAND_STDERR="+o.Stderr)
		}
	}
	if o.Stdin != nil {
		cmd.Stdin = strings.NewReader(*o.Stdin)
	}
	var logging string
	if o.Logging != nil {
		logging = string(*o.Logging)
	}
	capture := output.New(logging, p.GetLogger(ctx).InfoStatus)
	cmd.Stdout, cmd.Stderr = capture.Stdout(), capture.Stderr()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endGrace
	err = cmd.Run()
	capture.Close()
	if err != nil {
		if ctx.Err() != nil {
			// What ignored the first signal.
			if cmd.Process != nil {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
			err = fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		return capture.Error(err, command)
	}
	o.Stdout, o.Stderr = capture.Texts()
	return o.collect(dir)
}

// collect makes assets of the files that assetPaths and archivePaths name.
func (o *CommandOutputs) collect(dir string) error {
	var errs []error
	if o.AssetPaths != nil {
		found, err := find(dir, *o.AssetPaths)
		errs = append(errs, err)
		assets := make(map[string]types.AssetOrArchive, len(found))
		for name, asset := range found {
			assets[name] = types.AssetOrArchive{Asset: asset}
		}
		o.Assets = &assets
	}
	if o.ArchivePaths != nil {
		found, err := find(dir, *o.ArchivePaths)
		errs = append(errs, err)
		members := make(map[string]any, len(found))
		for name, asset := range found {
			members[name] = asset
		}
		o.Archive, err = resource.NewAssetArchive(members)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
