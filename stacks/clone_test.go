package stacks

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestCopyIsDeep(t *testing.T) {
	original := Production()
	copied := Copy(original)
	if !reflect.DeepEqual(original, copied) {
		t.Fatal("the copy differs from the original")
	}
	scramble(reflect.ValueOf(&copied).Elem())
	if !reflect.DeepEqual(original, Production()) {
		t.Errorf("changing the copy changed the original: %v", Diff(Production(), original))
	}
}

// scramble sets every element of every list to its zero value, from the innermost.
func scramble(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
			v.Index(i).SetZero()
		}
	case ours(v.Type()):
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	}
}

// TestCopyKnowsEveryType: what is copied whole must be immutable. A map or a pointer in a Stack would be shared between clones.
func TestCopyKnowsEveryType(t *testing.T) {
	var walk func(path string, v reflect.Type)
	walk = func(path string, v reflect.Type) {
		switch {
		case v.Kind() == reflect.Slice:
			walk(path+"[]", v.Elem())
		case ours(v):
			for i := range v.NumField() {
				if !v.Field(i).IsExported() {
					t.Errorf("%s.%s is not exported, so Clone cannot copy it", path, v.Field(i).Name)
				}
				walk(path+"."+v.Field(i).Name, v.Field(i).Type)
			}
		case v == reflect.TypeOf(Money{}) || strings.HasPrefix(v.PkgPath(), "net/netip"):
		case v.Kind() == reflect.String || v.Kind() == reflect.Bool || reflect.Zero(v).CanInt():
		default:
			t.Errorf("%s is a %s, which Clone would share", path, v)
		}
	}
	walk("Stack", reflect.TypeOf(Stack{}))
}

func TestCloneRefusesWhatItsListDoesNotSay(t *testing.T) {
	name := Difference{Path: "Name", Why: "its own name", Apply: func(s *Stack) { s.Name = "copy" }}
	for _, c := range []struct {
		name        string
		differences []Difference
		want        []string
	}{
		{name: "no path", differences: []Difference{name, {Why: "why", Apply: func(s *Stack) { s.Sandbox = true }}}, want: []string{
			`stack copy: difference "": has no path; name the field that it changes`,
			`difference "": changes Sandbox as well (false to true); wanted only what lies under its path: give that a difference of its own`,
		}},
		{name: "no reason", differences: []Difference{name, {Path: "Sandbox", Apply: func(s *Stack) { s.Sandbox = true }}}, want: []string{
			`stack copy: difference "Sandbox": has no reason; say in Why what would go wrong without it`,
		}},
		{name: "nothing to apply", differences: []Difference{name, {Path: "Sandbox", Why: "why"}}, want: []string{
			`stack copy: difference "Sandbox": has nothing to apply; give it a function or remove it`,
		}},
		{name: "dead", differences: []Difference{name, {Path: "Cluster.APIPort", Why: "why", Apply: func(s *Stack) { s.Cluster.APIPort = 6443 }}}, want: []string{
			`stack copy: difference "Cluster.APIPort": changes nothing; remove it, or mend its Apply`,
		}},
		{name: "beside its path", differences: []Difference{name, {Path: "Render.MinReplicas", Why: "why", Apply: func(s *Stack) {
			s.Render.MinReplicas = 2
			s.Render.MaxReplicas = 4
			s.Nodes[0].Offer.PlanCode = "vps-2027-model3"
		}}}, want: []string{
			`stack copy: difference "Render.MinReplicas": changes Nodes[rbx-control-1].Offer.PlanCode as well ("vps-2027-model2" to "vps-2027-model3"); wanted only what lies under its path: give that a difference of its own`,
			`difference "Render.MinReplicas": changes Render.MaxReplicas as well (14 to 4); wanted only what lies under its path: give that a difference of its own`,
		}},
		{name: "path that only starts alike", differences: []Difference{name, {Path: "Render.CPU", Why: "why", Apply: func(s *Stack) { s.Render.CPULimit = 8000 }}}, want: []string{
			`stack copy: difference "Render.CPU": changes Render.CPULimit as well (4 to 8); wanted only what lies under its path: give that a difference of its own`,
			`difference "Render.CPU": leaves no trace in the result; remove it, or the later difference that undoes it`,
		}},
		{name: "undone later", differences: []Difference{name,
			{Path: "Render.MinReplicas", Why: "why", Apply: func(s *Stack) { s.Render.MinReplicas = 2 }},
			{Path: "Render", Why: "why", Apply: func(s *Stack) { s.Render.MinReplicas, s.Render.MaxReplicas = 6, 20 }},
		}, want: []string{
			`stack copy: difference "Render.MinReplicas": leaves no trace in the result; remove it, or the later difference that undoes it`,
		}},
		{name: "of a node that leaves", differences: []Difference{name,
			{Path: "Nodes[rbx-data-2].Offer", Why: "why", Apply: func(s *Stack) { node(s, "rbx-data-2").Offer = storageHost() }},
			{Path: "Nodes[rbx-data-2]", Why: "why", Apply: func(s *Stack) { removeNodes(s, "rbx-data-2") }},
		}, want: []string{
			`stack copy: difference "Nodes[rbx-data-2].Offer": leaves no trace in the result; remove it, or the later difference that undoes it`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Clone(Production(), c.differences...)
			if err == nil {
				t.Fatal("the clone was accepted")
			}
			if want := strings.Join(c.want, "\n"); err.Error() != want {
				t.Errorf("got:\n%v\nwanted:\n%s", err, want)
			}
		})
	}
}

func TestCloneLeavesItsBaseAlone(t *testing.T) {
	base := Production()
	clone, err := Clone(base, Difference{Path: "Nodes", Why: "why", Apply: func(s *Stack) {
		for i := range s.Nodes {
			s.Nodes[i].Roles[0] = RoleEdge
			s.Nodes[i].Generation = 7
		}
		s.Nodes = s.Nodes[:1]
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(base, Production()) {
		t.Errorf("the base changed: %v", Diff(Production(), base))
	}
	if len(clone.Nodes) != 1 || clone.Nodes[0].Generation != 7 {
		t.Errorf("the clone has nodes %v", clone.Nodes)
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Stack)
		want   []string
	}{
		{name: "nothing", change: func(*Stack) {}},
		{name: "nil and empty lists are the same", change: func(s *Stack) { s.Nodes[0].Offer.Options = []string{} }},
		{name: "values", change: func(s *Stack) {
			s.Render.CPUPerRequest *= 2
			node(s, "gra-worker-2").Offer.Monthly = EUR(169, 99)
			node(s, "gra-worker-2").Roles = nil
			s.Sites[0].City = ""
		}, want: []string{
			`Sites[rbx].City: "Roubaix" -> ""`,
			`Nodes[gra-worker-2].Roles: ["worker" "edge"] -> []`,
			`Nodes[gra-worker-2].Offer.Monthly: 149.99 EUR -> 169.99 EUR`,
			`Render.CPUPerRequest: 8ms -> 16ms`,
		}},
		{name: "elements that come, go and move", change: func(s *Stack) {
			s.Data = []DataService{{Name: "redis", Port: 6379}, s.Data[2], s.Data[0]}
		}, want: []string{
			`Data[pinot]: present -> absent`,
			`Data[redis]: absent -> {Name:"redis" Port:6379}`,
			`Data: order pulsar metrics -> order metrics pulsar`,
		}},
		{name: "names that occur twice", change: func(s *Stack) {
			s.Data = append(s.Data, DataService{Name: "pulsar", Port: 1})
		}, want: []string{
			`Data[pulsar#2]: absent -> {Name:"pulsar" Port:1}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := Production()
			c.change(&changed)
			if got, want := fmt.Sprint(Diff(Production(), changed)), fmt.Sprint(c.want); got != want {
				t.Errorf("got %s, wanted %s", got, want)
			}
		})
	}
}

// TestDiffSeesEveryField changes each field of a full stack in turn; a field that Diff overlooks could differ in a clone unnoticed.
func TestDiffSeesEveryField(t *testing.T) {
	full := Production()
	fields := 0
	var walk func(v reflect.Value, path string, whole *Stack)
	walk = func(v reflect.Value, path string, whole *Stack) {
		switch {
		case ours(v.Type()):
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name, whole)
			}
		case v.Kind() == reflect.Slice && v.Len() > 0 && ours(v.Type().Elem()):
			walk(v.Index(0), path+"[0]", whole)
		case v.IsZero():
		default:
			fields++
			old := reflect.New(v.Type()).Elem()
			old.Set(v)
			v.SetZero()
			if len(Diff(full, *whole)) == 0 {
				t.Errorf("clearing %s is not seen", path)
			}
			v.Set(old)
		}
	}
	changed := Copy(full)
	walk(reflect.ValueOf(&changed).Elem(), "Stack", &changed)
	if fields < 60 {
		t.Errorf("only %d fields were tried", fields)
	}
}
