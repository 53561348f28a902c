package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/command-plugin/output"
	"havre/infra/tools/command-plugin/sshclient"
)

// Command is remote.Command: a command that runs on a host when the resource is created, updated and deleted.
type Command struct{}

// CommandInputs are its inputs.
type CommandInputs struct {
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// CommandOutputs is its state.
type CommandOutputs struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

var (
	_ infer.CustomResource[CommandInputs, CommandOutputs] = (*Command)(nil)
	_ infer.CustomUpdate[CommandInputs, CommandOutputs]   = (*Command)(nil)
	_ infer.CustomDelete[CommandOutputs]                  = (*Command)(nil)
	_ infer.Annotated                                     = (*Command)(nil)
	_ infer.Annotated                                     = (*CommandInputs)(nil)
	_ infer.Annotated                                     = (*CommandOutputs)(nil)
)

// Annotate describes the resource.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "A command to run on a remote host. The connection is established via ssh.")
}

// Annotate describes the inputs.
func (c *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Connection, "The parameters with which to connect to the remote host.")
	a.Describe(&c.Environment, "Additional environment variables available to the command's process; the server must accept them (AcceptEnv).")
	a.Describe(&c.Stdin, "Pass a string to the command's process as standard in")
	a.Describe(&c.Logging, "If the command's stdout and stderr should be logged. Defaults to logging both.")
	a.Describe(&c.AddPreviousOutputInEnv, "Whether the previous run's output is given to the next one as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. Defaults to true.")
	a.Describe(&c.Create, "The command to run once on resource creation.")
	a.Describe(&c.Update, "The command to run when the resource is updated. If empty, the create command will be executed instead.")
	a.Describe(&c.Delete, "The command to run on resource deletion.")
	a.Describe(&c.Triggers, "The resource will be replaced if any of these values change.")
}

// Annotate describes the outputs.
func (o *CommandOutputs) Annotate(a infer.Annotator) {
	a.Describe(&o.Stdout, "The standard output of the command's process")
	a.Describe(&o.Stderr, "The standard error of the command's process")
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
	state := CommandOutputs{CommandInputs: req.Inputs, Stdout: req.State.Stdout, Stderr: req.State.Stderr}
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

// Delete runs `delete`, with the connection that the last run was made with.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, req.State.run(ctx, *req.State.Delete)
}

// run runs one command line and takes over its output.
func (o *CommandOutputs) run(ctx context.Context, line string) error {
	client, err := o.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	log := p.GetLogger(ctx)
	capture := output.New(string(or(o.Logging, "")), log.InfoStatus)
	cmd := sshclient.Command{Line: line, Stdout: capture.Stdout(), Stderr: capture.Stderr(), Refused: func(name string) {
		log.Warning(fmt.Sprintf("Unable to set '%s'. This only works if your SSH server is configured to accept these variables via AcceptEnv.", name))
	}}
	for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
		cmd.Environment = append(cmd.Environment, sshclient.Variable{Name: name, Value: o.Environment[name]})
	}
	if or(o.AddPreviousOutputInEnv, true) {
		for _, v := range []sshclient.Variable{{Name: "PULUMI_COMMAND_STDOUT", Value: o.Stdout}, {Name: "PULUMI_COMMAND_STDERR", Value: o.Stderr}} {
			if v.Value != "" {
				cmd.Optional = append(cmd.Optional, v)
			}
		}
	}
	if or(o.Stdin, "") != "" {
		cmd.Stdin = strings.NewReader(*o.Stdin)
	}
	err = client.Run(ctx, cmd)
	capture.Close()
	if err != nil {
		return capture.Error(err, line)
	}
	o.Stdout, o.Stderr = capture.Texts()
	return nil
}
