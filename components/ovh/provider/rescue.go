package provider

import (
	"context"
	"fmt"
	"time"

	"havre/components/ovh/api"
)

// bootTag is what TagBoot says while a server runs the rescue system.
const bootTag = "rescue"

// boot brings a server into OVH's rescue system, or back to its disks. It is an input of the server and no action beside the stack: what is written there
// shows in the preview, is seen by everybody who reads the stack, and cannot be forgotten. The tag is written after the reboot, so a run that was
// interrupted boots once more, which does no harm to a host that does not answer.
func (r *run) boot(ctx context.Context, service api.Service) error {
	want := truth(r.args.Rescue)
	if r.vps || want == (service.IAM.Tags[TagBoot] == bootTag) {
		return nil
	}
	kind := "harddisk"
	if want {
		kind = "rescue"
	}
	ids, err := r.api.Boots(ctx, service.Name, kind)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no boot entry of type %s; look at it in OVH's manager", service.Name, kind)
	}
	if err := r.api.SetBoot(ctx, service.Name, ids[0], deref(r.args.RescueKey, "")); err != nil {
		return err
	}
	before, err := r.api.NewestTask(ctx, false, service.Name, "hardReboot")
	if err != nil {
		return err
	}
	task, err := r.api.Reboot(ctx, service.Name)
	if err != nil {
		newest, lookErr := r.api.NewestTask(ctx, false, service.Name, "hardReboot")
		if lookErr != nil || newest <= before {
			return fmt.Errorf("%s did not begin to reboot; run again: %w", service.Name, err)
		}
		task.ID = newest // the answer was lost, the reboot was not
	}
	r.rt.log(ctx, "%s reboots from its %s", service.Name, map[bool]string{true: "rescue system", false: "disks"}[want])
	for {
		t, err := r.api.Task(ctx, false, service.Name, task.ID)
		switch {
		case api.IsPassing(err):
		case err != nil:
			return err
		case t.Status == "done":
			if want {
				return r.api.Tag(ctx, service.IAM.URN, TagBoot, bootTag)
			}
			return r.api.Untag(ctx, service.IAM.URN, TagBoot)
		case !t.Running():
			return fmt.Errorf("the reboot of %s ended as %s: %s; run again", service.Name, t.Status, t.Comment)
		}
		if time.Now().After(r.deadline) || !r.rt.sleep(ctx) {
			return fmt.Errorf("%s is still rebooting; run again", service.Name)
		}
	}
}
