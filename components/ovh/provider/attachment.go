package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// VrackAttachment plugs the private interface of a dedicated server into a vRack.
type VrackAttachment struct{}

// VrackAttachmentArgs names both ends.
type VrackAttachmentArgs struct {
	ServiceName string `pulumi:"serviceName" provider:"replaceOnChanges"`
	Vrack       string `pulumi:"vrack" provider:"replaceOnChanges"`
}

// VrackAttachmentState adds what was plugged.
type VrackAttachmentState struct {
	VrackAttachmentArgs
	InterfaceID string `pulumi:"interfaceId"`
	MAC         string `pulumi:"mac"`
}

var (
	_ infer.CustomResource[VrackAttachmentArgs, VrackAttachmentState] = (*VrackAttachment)(nil)
	_ infer.CustomUpdate[VrackAttachmentArgs, VrackAttachmentState]   = (*VrackAttachment)(nil)
	_ infer.CustomRead[VrackAttachmentArgs, VrackAttachmentState]     = (*VrackAttachment)(nil)
	_ infer.CustomDelete[VrackAttachmentState]                        = (*VrackAttachment)(nil)
)

// Annotate names the resource.
func (r *VrackAttachment) Annotate(a infer.Annotator) {
	a.SetToken("index", "VrackAttachment")
	a.Describe(&r, "The private interface of a dedicated server, plugged into a vRack.")
}

// Create plugs the interface in, or finds it plugged.
func (*VrackAttachment) Create(ctx context.Context, r infer.CreateRequest[VrackAttachmentArgs]) (infer.CreateResponse[VrackAttachmentState], error) {
	out := VrackAttachmentState{VrackAttachmentArgs: r.Inputs}
	id := r.Inputs.Vrack + "/" + r.Inputs.ServiceName
	if r.DryRun {
		return infer.CreateResponse[VrackAttachmentState]{ID: id, Output: out}, nil
	}
	err := plug(ctx, &out)
	return infer.CreateResponse[VrackAttachmentState]{ID: id, Output: out}, err
}

// Update goes on with an interrupted attachment; ends that change are replaced.
func (*VrackAttachment) Update(ctx context.Context, r infer.UpdateRequest[VrackAttachmentArgs, VrackAttachmentState]) (infer.UpdateResponse[VrackAttachmentState], error) {
	out := r.State
	out.VrackAttachmentArgs = r.Inputs
	if r.DryRun {
		return infer.UpdateResponse[VrackAttachmentState]{Output: out}, nil
	}
	err := plug(ctx, &out)
	return infer.UpdateResponse[VrackAttachmentState]{Output: out}, err
}

// plug asks once and then watches the interface itself, which tells the truth whatever became of the answer.
func plug(ctx context.Context, s *VrackAttachmentState) error {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(min(rt.wait, 30*time.Minute))
	asked := false
	for {
		found, err := c.PrivateInterfaces(ctx, s.ServiceName)
		if err != nil && (!asked || !api.IsPassing(err)) {
			return err
		}
		if err == nil && len(found) == 0 {
			return fmt.Errorf("%s has no interface for a vRack; order it with a vrack option, or leave the vRack out", s.ServiceName)
		}
		if err == nil {
			i := found[0]
			for _, f := range found {
				if f.Vrack == s.Vrack {
					i = f
				}
			}
			s.InterfaceID = i.ID
			s.MAC = i.MAC(s.MAC)
			switch {
			case i.Vrack == s.Vrack:
				return nil
			case i.Vrack != "":
				return fmt.Errorf("%s is plugged into %s, not into %s; detach it in OVH's manager first, because traffic of another network may be on it", s.ServiceName, i.Vrack, s.Vrack)
			case !asked:
				// A task for it may run already, or the answer may get lost: both show in the interface, which the loop reads again.
				if err := c.VrackAttach(ctx, s.Vrack, i.ID); err != nil && !api.Executed(err) && !api.IsConflict(err) {
					return fmt.Errorf("attachment of %s to %s: %w", s.ServiceName, s.Vrack, err)
				}
				asked = true
			}
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return fmt.Errorf("%s is not plugged into %s yet; run again", s.ServiceName, s.Vrack)
		}
	}
}

// Read looks whether the interface is still plugged; ID "pn-…/ns…" imports.
func (*VrackAttachment) Read(ctx context.Context, r infer.ReadRequest[VrackAttachmentArgs, VrackAttachmentState]) (infer.ReadResponse[VrackAttachmentArgs, VrackAttachmentState], error) {
	gone := infer.ReadResponse[VrackAttachmentArgs, VrackAttachmentState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	s := r.State
	if s.ServiceName == "" {
		for i := range r.ID {
			if r.ID[i] == '/' {
				s.Vrack, s.ServiceName = r.ID[:i], r.ID[i+1:]
			}
		}
		if s.ServiceName == "" {
			return gone, fmt.Errorf("id %q is not a vRack and a server; write it like pn-1000001/ns3123456.ip-5-196-1.eu", r.ID)
		}
	}
	found, err := c.PrivateInterfaces(ctx, s.ServiceName)
	if api.IsNotFound(err) {
		return gone, nil
	}
	if api.IsExpired(err) {
		return infer.ReadResponse[VrackAttachmentArgs, VrackAttachmentState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
	}
	if err != nil {
		return gone, err
	}
	for _, i := range found {
		if i.Vrack == s.Vrack {
			s.InterfaceID = i.ID
			s.MAC = i.MAC(s.MAC)
			return infer.ReadResponse[VrackAttachmentArgs, VrackAttachmentState]{ID: r.ID, Inputs: s.VrackAttachmentArgs, State: s}, nil
		}
	}
	return gone, nil
}

// Delete pulls the interface and waits until it is out.
func (*VrackAttachment) Delete(ctx context.Context, r infer.DeleteRequest[VrackAttachmentState]) (infer.DeleteResponse, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	s := r.State
	deadline := time.Now().Add(min(rt.wait, 30*time.Minute))
	asked := false
	for {
		i, err := c.Interface(ctx, s.ServiceName, s.InterfaceID)
		switch {
		case api.IsNotFound(err), api.IsExpired(err):
			return infer.DeleteResponse{}, nil
		case err != nil && (!asked || !api.IsPassing(err)):
			return infer.DeleteResponse{}, err
		case err == nil && i.Vrack != s.Vrack:
			return infer.DeleteResponse{}, nil
		case err == nil && !asked:
			if err := c.VrackDetach(ctx, s.Vrack, s.InterfaceID); err != nil && !api.Executed(err) && !api.IsConflict(err) {
				return infer.DeleteResponse{}, err
			}
			asked = true
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return infer.DeleteResponse{}, fmt.Errorf("%s is still plugged into %s; run again", s.ServiceName, s.Vrack)
		}
	}
}
