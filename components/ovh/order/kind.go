package order

// Kind is what an order buys.
type Kind string

// The kinds.
const (
	Dedicated Kind = "dedicated" // a dedicated server
	VPS       Kind = "vps"       // a virtual private server
	Vrack     Kind = "vrack"     // a private network between dedicated servers
)

// MaxDisplayName is how many characters OVH takes of the name that its manager shows of a VPS; the other kinds are held to it as well.
const MaxDisplayName = 50

// Traits are what differs between the kinds. Everything else about ordering, finding again and owning is the same for all of them.
type Traits struct {
	Token    string   // Pulumi type of its order
	Route    string   // below it lie its services at OVH
	Products []string // names of its catalogues and of its cart items, in the order in which a plan is looked for
	Machine  bool     // stands in a data centre and is paid for by the month; a vRack is free and has no term
	System   string   // ordered with it unless the stack says otherwise
	Image    string   // put on its disks unless the stack says otherwise
	Tasks    Tasks
}

// Tasks are OVH's words for the work that it does on a service.
type Tasks struct {
	List, Function, State string   // last part of the route, and its filters
	Running               []string // states of a task that is not over
	Install, Reboot       string   // functions
}

var traits = map[Kind]Traits{
	Dedicated: {
		Token: "ovhmetal:index:Server", Route: "/dedicated/server", Products: []string{"baremetalServers", "eco"}, Machine: true,
		System: "none_64.en", Image: "debian12_64",
		Tasks: Tasks{List: "task", Function: "function", State: "status", Running: []string{"init", "todo", "doing"}, Install: "reinstallServer", Reboot: "hardReboot"},
	},
	VPS: {
		Token: "ovhmetal:index:VPS", Route: "/vps", Products: []string{"vps"}, Machine: true,
		System: "Debian 12", Image: "Debian 12",
		Tasks: Tasks{
			List: "tasks", Function: "type", State: "state", Running: []string{"todo", "doing", "waitingAck", "paused", "blocked"}, Install: "reinstallVm", Reboot: "rebootVm",
		},
	},
	Vrack: {Token: "ovhmetal:index:Vrack", Route: "/vrack", Products: []string{"vrack"}},
}

// Traits gives the row of a kind.
func (k Kind) Traits() Traits { return traits[k] }
