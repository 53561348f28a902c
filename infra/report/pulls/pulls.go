// Package pulls are the pull requests whose previews are recorded, and whose reports are goldens: each a change of production that engineers make. The one thing
// a reader would get wrong: none of them is in stacks/. They change a copy of production, in memory, so that they stay true whatever production becomes.
package pulls

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"havre/stacks"
)

// World is what a pull request may change: the description, and what of Pulumi.prod.yaml it may.
type World struct {
	Stack       stacks.Stack
	BudgetEuros int
	Settings    Settings
}

// Settings are the platform's, by the keys that a sandbox writes them under; see platform.Settings.
type Settings struct {
	SSHPublicKey         string              `json:"sshPublicKey"`
	SSHPrivateKey        string              `json:"sshPrivateKey"`
	EdgeStorageAccessKey string              `json:"edgeStorageAccessKey"`
	EdgeStorageSecretKey string              `json:"edgeStorageSecretKey"`
	BackupAccessKey      string              `json:"backupAccessKey"`
	BackupSecretKey      string              `json:"backupSecretKey"`
	BackupPassword       string              `json:"backupPassword"`
	ArtifactMirror       string              `json:"artifactMirror"`
	Artifacts            map[string]Artifact `json:"artifacts"`
	ImageRegistry        string              `json:"imageRegistry"`
	Images               map[string]string   `json:"images"`
}

// Artifact is one pinned binary.
type Artifact struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Pull is one pull request.
type Pull struct {
	// Name is a file's name; Title is what the pull request is called.
	Name, Title string
	// Before changes production into what is deployed when the pull request is opened; nil for production as it is.
	Before func(*World)
	// Change is the pull request.
	Change func(*World)
	// Refused says that the preview is to fail.
	Refused bool
}

// Stack is the name of the stack that they change.
const Stack = "prod"

// All are the pull requests, in the order of their names.
func All() []Pull {
	return []Pull{
		{Name: "add-node", Title: "A fourth worker in Gravelines", Change: successor},
		{Name: "change-cron-job", Title: "Warm the caches half an hour earlier, on Saturdays too", Change: func(w *World) {
			w.Stack.Render.Prewarm.Schedule = "30 4 * * 1-6"
		}},
		{Name: "exceed-budget", Title: "Two more workers, with the budget as it is", Refused: true, Change: func(w *World) {
			clone(w, "gra-worker-3", "gra-worker-4", 14)
			clone(w, "rbx-worker-3", "rbx-worker-4", 24)
		}},
		{Name: "give-up-node", Title: "Take gra-worker-3, which is drained, out of the description", Before: func(w *World) { successor(w); retire(w, "gra-worker-3") }, Change: func(w *World) {
			w.Stack.Nodes = slices.DeleteFunc(w.Stack.Nodes, func(n stacks.Node) bool { return n.Name == "gra-worker-3" })
		}},
		{Name: "new-image", Title: "Renderer 2.4", Change: func(w *World) { w.image("renderer", "cd") }},
		{Name: "raise-kubernetes", Title: "Kubernetes 1.36.4", Change: func(w *World) {
			w.Stack.Cluster.KubernetesVersion = "1.36.4"
			for _, name := range []string{"kubeadm", "kubelet", "kubectl"} {
				w.artifact(name, "ef")
			}
		}},
		{Name: "refuse-image", Title: "The renderer by its tag", Refused: true, Change: func(w *World) {
			w.Settings.Images["renderer"] = "registry.havre.example/renderer:2.4"
			w.Stack.Render.MinReplicas = 1
		}},
		{Name: "reinstall-node", Title: "rbx-data-2 from scratch", Change: func(w *World) { w.node("rbx-data-2").Generation++ }},
		{Name: "retire-node", Title: "Retire gra-worker-3, whose place gra-worker-4 has taken", Before: successor, Change: func(w *World) { retire(w, "gra-worker-3") }},
		{Name: "rotate-key", Title: "A new operators' key", Change: func(w *World) {
			w.Settings.SSHPublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHavreOperators2027 operators-2027"
			w.Settings.SSHPrivateKey = NewKey
		}},
		{Name: "scale-workers", Title: "Two workers a site more, for the spring campaign", Change: func(w *World) {
			for i := range 2 {
				clone(w, "gra-worker-3", fmt.Sprintf("gra-worker-%d", 4+i), 14+i)
				clone(w, "rbx-worker-3", fmt.Sprintf("rbx-worker-%d", 4+i), 24+i)
			}
			w.Stack.Render.PeakPerSecond, w.Stack.Render.MinReplicas, w.Stack.Render.MaxReplicas = 5000, 10, 24
			w.budget(700)
		}},
	}
}

// NewKey stands for a private key: a value that must be in no report.
const NewKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nNEVER-IN-A-REPORT\n-----END OPENSSH PRIVATE KEY-----\n"

// Worlds are the two worlds of the pull request, given what is deployed today.
func (p Pull) Worlds(today World) (before, after World) {
	before = today.copy()
	if p.Before != nil {
		p.Before(&before)
	}
	after = before.copy()
	p.Change(&after)
	return before, after
}

func (w World) copy() World {
	w.Stack = stacks.Copy(w.Stack)
	artifacts, images := map[string]Artifact{}, map[string]string{}
	maps.Copy(artifacts, w.Settings.Artifacts)
	maps.Copy(images, w.Settings.Images)
	w.Settings.Artifacts, w.Settings.Images = artifacts, images
	return w
}

// budget raises both bounds by so many euros.
func (w *World) budget(more int64) {
	w.BudgetEuros += int(more)
	for _, bound := range []*stacks.Money{&w.Stack.Budget.Monthly, &w.Stack.Budget.Setup} {
		if sum, err := bound.Add(stacks.EUR(more, 0)); err == nil {
			*bound = sum
		}
	}
}

// node is a node to change. A name that is not there gets a node that nobody sees; the recording then shows no change, which fails.
func (w *World) node(name string) *stacks.Node {
	for i := range w.Stack.Nodes {
		if w.Stack.Nodes[i].Name == name {
			return &w.Stack.Nodes[i]
		}
	}
	return &stacks.Node{}
}

// clone adds a node that is as another one.
func clone(w *World, like, name string, index int) {
	node := *w.node(like)
	node.Name, node.Index, node.Roles = name, index, slices.Clone(node.Roles)
	w.Stack.Nodes = append(w.Stack.Nodes, node)
}

// successor adds a worker that another one could make way for: with one less the declared peak would not be carried.
func successor(w *World) {
	clone(w, "gra-worker-3", "gra-worker-4", 14)
	w.budget(200)
}

func retire(w *World, name string) { w.node(name).Retired = true }

// image gives a service another digest.
func (w *World) image(name, digit string) {
	repository, _, _ := strings.Cut(w.Settings.Images[name], "@")
	w.Settings.Images[name] = repository + "@sha256:" + strings.Repeat(digit, 32)
}

// artifact gives a binary another checksum.
func (w *World) artifact(name, digit string) {
	sum := strings.Repeat(digit, 32)
	w.Settings.Artifacts[name] = Artifact{Path: "/sha256/" + sum + "/" + name, SHA256: sum}
}
