// Package priority makes the order in which pods get room when there is not enough: what serves readers, then everything of no class, then work that nobody waits
// for, then placeholders.
//
// What a reader would get wrong: placeholders are below the work that nobody waits for, although they hold room against it. A pod that needs room pushes out the
// lowest first, and only placeholders end at once; a batch pod may take its grace. So that placeholders keep their room all the same, batch pods are patient:
// they wait for room and push out nobody. What it costs: room that a burst gave back may go to a waiting batch pod before it goes to a placeholder.
package priority

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/workload"
)

// The classes' names. Pods of no class stand between Serving and Batch.
const (
	Serving  = "serving"
	Batch    = "batch"
	Headroom = "headroom"
)

// Their values. A class cannot be changed, only replaced; its pods keep the value that they started with.
const (
	serving  = 1000
	batch    = -10
	headroom = -100
)

// New makes the classes and gives them as what their pods wait for.
func New(ctx *pulumi.Context, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	for _, class := range []workload.PriorityClassArgs{
		{Class: Serving, Value: serving, Description: "What readers wait for. It takes room from everything below."},
		{Class: Batch, Value: batch, Patient: true, Description: "Work that nobody waits for. It waits for room and gives way to the others, after its grace."},
		{Class: Headroom, Value: headroom, Description: "Placeholders: room for a burst. They give way first, and at once."},
	} {
		resource, err := workload.NewPriorityClass(ctx, "priority-"+class.Class, class, opts...)
		if err != nil {
			return nil, fmt.Errorf("priority: %w", err)
		}
		made = append(made, resource)
	}
	return made, nil
}
