package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/command-plugin/sftp"
)

// CopyToRemote is remote.CopyToRemote: a file or a folder on a host. Deleting the resource leaves the copy there, as the official plugin does.
type CopyToRemote struct{}

// CopyToRemoteInputs are its inputs.
type CopyToRemoteInputs struct {
	Connection *Connection          `pulumi:"connection" provider:"secret"`
	Triggers   *[]any               `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
}

// CopyToRemoteOutputs is its state.
type CopyToRemoteOutputs struct{ CopyToRemoteInputs }

var (
	_ infer.CustomResource[CopyToRemoteInputs, CopyToRemoteOutputs] = (*CopyToRemote)(nil)
	_ infer.CustomCheck[CopyToRemoteInputs]                         = (*CopyToRemote)(nil)
	_ infer.CustomUpdate[CopyToRemoteInputs, CopyToRemoteOutputs]   = (*CopyToRemote)(nil)
	_ infer.Annotated                                               = (*CopyToRemote)(nil)
	_ infer.Annotated                                               = (*CopyToRemoteInputs)(nil)
)

// Annotate describes the resource.
func (c *CopyToRemote) Annotate(a infer.Annotator) {
	a.Describe(&c, "Copy an Asset or Archive to a remote host.")
}

// Annotate describes the inputs.
func (c *CopyToRemoteInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Connection, "The parameters with which to connect to the remote host.")
	a.Describe(&c.Triggers, "Trigger replacements on changes to this input.")
	a.Describe(&c.Source, "The file or folder to copy; it must be path-based. Archives are not unpacked.")
	a.Describe(&c.RemotePath, "The destination path on the remote host. Its last element is created when it does not exist.")
}

// source returns the path of what is copied, and a digest of it.
func (c CopyToRemoteInputs) source() (path, digest string) {
	switch {
	case c.Source.Asset != nil:
		return c.Source.Asset.Path, c.Source.Asset.Hash
	case c.Source.Archive != nil:
		return c.Source.Archive.Path, c.Source.Archive.Hash
	default:
		return "", ""
	}
}

// Check refuses a source that has no path.
func (*CopyToRemote) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[CopyToRemoteInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CopyToRemoteInputs](ctx, req.NewInputs)
	if err != nil {
		return infer.CheckResponse[CopyToRemoteInputs]{Inputs: inputs, Failures: failures}, err
	}
	if source, ok := req.NewInputs.GetOk("source"); !ok || source.IsComputed() {
		return infer.CheckResponse[CopyToRemoteInputs]{Inputs: inputs, Failures: failures}, nil
	}
	asset, archive := inputs.Source.Asset, inputs.Source.Archive
	switch {
	case asset == nil && archive == nil:
		failures = append(failures, p.CheckFailure{Property: "source", Reason: "either asset or archive must be set"})
	case asset != nil && !asset.IsPath():
		failures = append(failures, p.CheckFailure{Property: "source", Reason: "asset must be a path-based file asset"})
	case archive != nil && !archive.IsPath():
		failures = append(failures, p.CheckFailure{Property: "source", Reason: "archive must be a path to a file or directory"})
	}
	return infer.CheckResponse[CopyToRemoteInputs]{Inputs: inputs, Failures: failures}, nil
}

// Create copies.
func (*CopyToRemote) Create(ctx context.Context, req infer.CreateRequest[CopyToRemoteInputs]) (infer.CreateResponse[CopyToRemoteOutputs], error) {
	id, err := resource.NewUniqueHex("", 8, 0)
	if err != nil {
		return infer.CreateResponse[CopyToRemoteOutputs]{}, fmt.Errorf("make an id: %w", err)
	}
	if !req.DryRun {
		err = req.Inputs.copy(ctx)
	}
	return infer.CreateResponse[CopyToRemoteOutputs]{ID: id, Output: CopyToRemoteOutputs{req.Inputs}}, err
}

// Update copies again when the content or the destination changed; another connection alone copies nothing.
func (*CopyToRemote) Update(ctx context.Context, req infer.UpdateRequest[CopyToRemoteInputs, CopyToRemoteOutputs]) (infer.UpdateResponse[CopyToRemoteOutputs], error) {
	_, had := req.State.source()
	_, has := req.Inputs.source()
	var err error
	if !req.DryRun && (had != has || req.State.RemotePath != req.Inputs.RemotePath) {
		err = req.Inputs.copy(ctx)
	}
	return infer.UpdateResponse[CopyToRemoteOutputs]{Output: CopyToRemoteOutputs{req.Inputs}}, err
}

// copy puts the source where it belongs. A file goes to the path, or into it where that is a folder. A folder goes into the path, under its own name unless
// its path ends in a slash; what is there already is overwritten, and nothing is removed.
func (c CopyToRemoteInputs) copy(ctx context.Context) error {
	source, _ := c.source()
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("copy %s: %w", source, err)
	}
	client, err := c.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	conn, err := client.Subsystem(ctx, "sftp")
	if err != nil {
		return err
	}
	session, err := sftp.New(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() { _ = session.Close() }()

	folder, there, err := stat(session, c.RemotePath)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		target := c.RemotePath
		if folder {
			target = path.Join(target, filepath.Base(source))
		}
		return write(session, source, target)
	}
	if there && !folder {
		return fmt.Errorf("remote path %s exists but is not a directory", c.RemotePath)
	}
	target := c.RemotePath
	if !strings.HasSuffix(source, "/") {
		if !there {
			if err := mkdir(session, target); err != nil {
				return err
			}
		}
		target = path.Join(target, filepath.Base(source))
	}
	return copyTree(session, source, target)
}

func copyTree(session *sftp.Client, source, target string) error {
	return fs.WalkDir(os.DirFS(source), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("copy %s: %w", source, err)
		}
		to := path.Join(target, name)
		if !entry.IsDir() {
			return write(session, filepath.Join(source, name), to)
		}
		folder, there, err := stat(session, to)
		switch {
		case err != nil:
			return err
		case !there:
			return mkdir(session, to)
		case !folder:
			return fmt.Errorf("remote path %s exists but is not a directory", to)
		}
		return nil
	})
}

func stat(session *sftp.Client, path string) (folder, there bool, err error) {
	folder, err = session.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("failed to stat remote path %s: %w", path, err)
	}
	return folder, true, nil
}

func mkdir(session *sftp.Client, path string) error {
	if err := session.Mkdir(path); err != nil {
		return fmt.Errorf("failed to create remote directory %s: %w", path, err)
	}
	return nil
}

func write(session *sftp.Client, source, target string) error {
	file, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("copy %s: %w", source, err)
	}
	defer func() { _ = file.Close() }()
	if err := session.Write(target, file); err != nil {
		return fmt.Errorf("failed to copy file %s to remote path %s: %w", source, target, err)
	}
	return nil
}
