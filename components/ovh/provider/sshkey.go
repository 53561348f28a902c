package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// SSHKey is a public key kept in the OVH account.
type SSHKey struct{}

// SSHKeyArgs is the key and its name.
type SSHKeyArgs struct {
	KeyName   string `pulumi:"keyName" provider:"replaceOnChanges"`
	PublicKey string `pulumi:"publicKey"`
}

// SSHKeyState is the same.
type SSHKeyState struct{ SSHKeyArgs }

var (
	_ infer.CustomResource[SSHKeyArgs, SSHKeyState] = (*SSHKey)(nil)
	_ infer.CustomUpdate[SSHKeyArgs, SSHKeyState]   = (*SSHKey)(nil)
	_ infer.CustomRead[SSHKeyArgs, SSHKeyState]     = (*SSHKey)(nil)
	_ infer.CustomDelete[SSHKeyState]               = (*SSHKey)(nil)
)

// Annotate names the resource.
func (r *SSHKey) Annotate(a infer.Annotator) {
	a.SetToken("index", "SSHKey")
	a.Describe(&r, "A public key kept in the OVH account, for rescue boots.")
}

// Create keeps the key; the same key under the same name is adopted.
func (*SSHKey) Create(ctx context.Context, r infer.CreateRequest[SSHKeyArgs]) (infer.CreateResponse[SSHKeyState], error) {
	out := infer.CreateResponse[SSHKeyState]{ID: r.Inputs.KeyName, Output: SSHKeyState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, putKey(ctx, r.Inputs, false)
}

// Update exchanges the key: OVH knows no change of one.
func (*SSHKey) Update(ctx context.Context, r infer.UpdateRequest[SSHKeyArgs, SSHKeyState]) (infer.UpdateResponse[SSHKeyState], error) {
	out := infer.UpdateResponse[SSHKeyState]{Output: SSHKeyState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, putKey(ctx, r.Inputs, true)
}

func putKey(ctx context.Context, a SSHKeyArgs, exchange bool) error {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		there, err := c.SSHKey(ctx, a.KeyName)
		switch {
		case err == nil && strings.TrimSpace(there) == strings.TrimSpace(a.PublicKey):
			return nil
		case err == nil && !exchange:
			return fmt.Errorf("the account has another key under the name %q; choose another name or import it", a.KeyName)
		case err == nil:
			if err := c.DeleteSSHKey(ctx, a.KeyName); err != nil {
				return err
			}
		case !api.IsNotFound(err):
			return err
		}
		err = c.AddSSHKey(ctx, a.KeyName, a.PublicKey)
		if err == nil || !api.Executed(err) || try == 3 {
			return err
		}
	}
}

// Read looks the key up.
func (*SSHKey) Read(ctx context.Context, r infer.ReadRequest[SSHKeyArgs, SSHKeyState]) (infer.ReadResponse[SSHKeyArgs, SSHKeyState], error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.ReadResponse[SSHKeyArgs, SSHKeyState]{}, err
	}
	key, err := c.SSHKey(ctx, r.ID)
	if api.IsNotFound(err) {
		return infer.ReadResponse[SSHKeyArgs, SSHKeyState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[SSHKeyArgs, SSHKeyState]{}, err
	}
	a := SSHKeyArgs{KeyName: r.ID, PublicKey: key}
	if strings.TrimSpace(key) == strings.TrimSpace(r.State.PublicKey) {
		a.PublicKey = r.State.PublicKey
	}
	return infer.ReadResponse[SSHKeyArgs, SSHKeyState]{ID: r.ID, Inputs: a, State: SSHKeyState{a}}, nil
}

// Delete removes the key from the account; hosts that were installed with it keep it.
func (*SSHKey) Delete(ctx context.Context, r infer.DeleteRequest[SSHKeyState]) (infer.DeleteResponse, error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, c.DeleteSSHKey(ctx, r.State.KeyName)
}
