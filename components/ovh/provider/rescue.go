package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// bootTag is what TagBoot says while a service runs the rescue system.
const bootTag = "rescue"

// boot brings a service into OVH's rescue system, or back to its disks. It is an input of the order and no action beside the stack: what is written there
// shows in the preview, is seen by everybody who reads the stack, and cannot be forgotten. The tag is written after the reboot, so a run that was
// interrupted boots once more, which does no harm to a host that does not answer.
func (r *run) boot(ctx context.Context, service api.Service) error {
	want := truth(r.args.Rescue)
	if want == (service.IAM.Tags[TagBoot] == bootTag) {
		return nil
	}
	if err := r.chooseBoot(ctx, service.Name, want); err != nil {
		return err
	}
	task, err := r.reboot(ctx, service.Name)
	if err != nil {
		return err
	}
	r.rt.log(ctx, "%s reboots from its %s", service.Name, map[bool]string{true: "rescue system", false: "disks"}[want])
	for {
		t, err := r.api.Task(ctx, r.kind, service.Name, task)
		switch {
		case api.IsPassing(err):
		case err != nil:
			return err
		case t.Status == "done":
			if want {
				err = r.api.Tag(ctx, service.IAM.URN, TagBoot, bootTag)
			} else {
				err = r.api.Untag(ctx, service.IAM.URN, TagBoot)
			}
			if err != nil {
				return err
			}
			return r.look(ctx, service.Name) // a VPS says that it is rescued
		case !t.Running():
			return fmt.Errorf("the reboot of %s ended as %s: %s; run again", service.Name, t.Status, t.Comment)
		}
		if time.Now().After(r.deadline) || !r.rt.sleep(ctx) {
			return fmt.Errorf("%s is still rebooting; run again", service.Name)
		}
	}
}

// chooseBoot says what the service boots next. A dedicated server has an entry for each system, and may have a key for the rescue system; a VPS has a mode,
// and OVH mails the password of its rescue system.
func (r *run) chooseBoot(ctx context.Context, name string, rescue bool) error {
	if r.kind == order.VPS {
		return r.api.SetNetboot(ctx, name, rescue)
	}
	kind := "harddisk"
	if rescue {
		kind = "rescue"
	}
	ids, err := r.api.Boots(ctx, name, kind)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no boot entry of type %s; look at it in OVH's manager", name, kind)
	}
	return r.api.SetBoot(ctx, name, ids[0], deref(r.args.RescueKey, ""))
}

// reboot asks for a reboot once, and looks an answer that was lost up in the tasks. A VPS refuses one while anything else is going on; a dedicated server takes
// it even beside an intervention that lasts for days.
func (r *run) reboot(ctx context.Context, name string) (int64, error) {
	for r.kind == order.VPS {
		running, err := r.api.RunningTasks(ctx, r.kind, name, "")
		if err != nil {
			return 0, err
		}
		if len(running) == 0 {
			break
		}
		if time.Now().After(r.deadline) || !r.rt.sleep(ctx) {
			return 0, fmt.Errorf("%s is still busy with %s and does not reboot before that ends; run again", name, running[0].Function)
		}
	}
	function := r.kind.Traits().Tasks.Reboot
	before, err := r.api.NewestTask(ctx, r.kind, name, function)
	if err != nil {
		return 0, err
	}
	task, err := r.api.Reboot(ctx, r.kind, name)
	if err == nil && task.ID != 0 {
		return task.ID, nil
	}
	newest, lookErr := r.api.NewestTask(ctx, r.kind, name, function)
	if lookErr != nil || newest <= before {
		return 0, fmt.Errorf("%s did not begin to reboot; run again: %w", name, errors.Join(err, lookErr))
	}
	return newest, nil // the answer was lost, the reboot was not
}
