package naming_test

import (
	"maps"
	"strings"
	"testing"

	"havre/components/naming"
)

func TestValidate(t *testing.T) {
	long := strings.Repeat("a", 64)
	for in, want := range map[string]string{
		"gra-worker-2":          "",
		"a":                     "",
		strings.Repeat("a", 63): "",
		"":                      "name is empty; give it one such as gra-worker-2",
		long:                    `name "` + long + `" has 64 bytes, at most 63 are allowed; shorten it`,
		"Gra":                   `name "Gra" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`,
		"2gra":                  `name "2gra" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`,
		"gra-":                  `name "gra-" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`,
		"gra worker\n":          `name "gra worker\n" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`,
	} {
		got := ""
		if err := naming.Validate(in); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Validate(%q)\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := naming.Validate(strings.Repeat("A", 64))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatalf("want both the length and the letters refused, got: %v", err)
	}
}

func TestChild(t *testing.T) {
	if got := naming.Child("gra-worker-2", "wireguard"); got != "gra-worker-2-wireguard" {
		t.Fatalf("got %s", got)
	}
}

func TestLabels(t *testing.T) {
	want := map[string]string{
		"app.kubernetes.io/name": "render", "app.kubernetes.io/component": "worker",
		"app.kubernetes.io/managed-by": "havre", "app.kubernetes.io/part-of": "havre",
	}
	if got := naming.Labels("render", "worker"); !maps.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
	if got := naming.Labels("render", ""); len(got) != 3 {
		t.Fatalf("an empty component became a label: %v", got)
	}
	one := naming.Selector("render")
	one["x"] = "y"
	if len(naming.Selector("render")) != 1 {
		t.Fatal("the maps are shared between callers")
	}
}
