package preview

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Secret stands in the place of every secret: of what Pulumi has blinded, of ciphertext, and of clear text that is marked as secret, which
// --show-secrets prints.
type Secret struct{}

// String is what a reader sees.
func (Secret) String() string { return "[secret]" }

// Unknown stands for a value that only the run will know.
type Unknown struct{}

// String is what a reader sees.
func (Unknown) String() string { return "known after the run" }

// blinded is what the engine writes in the place of a secret.
const blinded = "[secret]"

// privateKey is in every PEM block of a private key. Text with one is a secret, whether or not somebody has said so.
const privateKey = "PRIVATE KEY-----"

// masked is a copy of the properties in which secrets and unknown values are Secret and Unknown.
func masked(properties map[string]any) map[string]any {
	if properties == nil {
		return nil
	}
	out, _ := mask(properties).(map[string]any)
	if out == nil {
		// The whole is a secret.
		return map[string]any{}
	}
	return out
}

func mask(value any) any {
	switch v := value.(type) {
	case map[string]any:
		switch v[resource.SigKey] {
		case resource.SecretSig:
			return Secret{}
		case resource.OutputValueSig:
			if secret, _ := v["secret"].(bool); secret {
				return Secret{}
			}
			if inner, found := v["value"]; found {
				return mask(inner)
			}
			return Unknown{}
		}
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = mask(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = mask(inner)
		}
		return out
	case string:
		switch {
		case v == blinded:
			return Secret{}
		case v == plugin.UnknownStringValue:
			return Unknown{}
		case strings.Contains(v, privateKey):
			return Secret{}
		case strings.Contains(v, resource.SecretSig):
			// A secret inside of text: JSON in a string, as a provider's inputs are.
			return maskText(v)
		}
		return v
	default:
		return v
	}
}

// maskText masks JSON that holds a secret; other text with a secret's mark in it is a secret as a whole.
func maskText(text string) any {
	var inner any
	if err := json.Unmarshal([]byte(text), &inner); err != nil {
		return Secret{}
	}
	return mask(inner)
}

// Change is one value of a resource that differs.
type Change struct {
	// Path leads to the value: fields by a dot, elements of a list by their name or place in brackets: "spec.template.spec.containers[renderer].image".
	Path string
	// Before and After are the values; nil for none. Two secrets that differ are both Secret.
	Before, After any
}

// internal are properties of the engine and of plugins, which no program has set.
func internal(key string) bool {
	return strings.HasPrefix(key, "__") || key == resource.SigKey
}

// Changes lists what differs between the inputs before and after, or between the outputs of a drift, sorted by path. Where the provider's own diff names a
// secret, which looks the same on both sides, it is in the list too. Of a resource that is created or deleted there are none.
func (s Step) Changes() []Change {
	before, after := s.Before.Inputs, s.After.Inputs
	switch {
	case s.Op == Drift:
		before, after = s.Before.Outputs, s.After.Outputs
	case s.Op != Update && s.Op != Replace:
		return nil
	}
	if before == nil || after == nil {
		return nil
	}
	var out []Change
	compare(&out, "", before, after)
	for _, path := range s.detailed {
		old, fresh := at(before, path), at(after, path)
		_, oldSecret := old.(Secret)
		_, freshSecret := fresh.(Secret)
		if oldSecret && freshSecret && !slices.ContainsFunc(out, func(c Change) bool { return c.Path == path }) {
			out = append(out, Change{Path: path, Before: Secret{}, After: Secret{}})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func compare(out *[]Change, path string, before, after any) {
	if b, ok := before.(map[string]any); ok {
		if a, ok := after.(map[string]any); ok {
			for _, key := range slices.Sorted(maps.Keys(union(a, b))) {
				if internal(key) {
					continue
				}
				compare(out, join(path, key), b[key], a[key])
			}
			return
		}
	}
	if b, ok := before.([]any); ok {
		if a, ok := after.([]any); ok {
			oldKeys, newKeys := listKeys(b), listKeys(a)
			old, fresh := byKey(b, oldKeys), byKey(a, newKeys)
			for _, key := range slices.Sorted(maps.Keys(union(old, fresh))) {
				compare(out, path+"["+key+"]", old[key], fresh[key])
			}
			return
		}
	}
	if !reflect.DeepEqual(before, after) {
		*out = append(*out, Change{Path: path, Before: before, After: after})
	}
}

// join adds a field to a path. A field with a dot in it, as labels have, is put in quotes.
func join(path, key string) string {
	if strings.ContainsAny(key, ".[]\" ") {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// listKeys are the names of a list's elements, where each has one of its own, else their places.
func listKeys(list []any) []string {
	keys, seen := make([]string, len(list)), map[string]bool{}
	for i, element := range list {
		object, _ := element.(map[string]any)
		named, _ := object["name"].(string)
		if named == "" || seen[named] {
			return places(len(list))
		}
		seen[named], keys[i] = true, named
	}
	return keys
}

func places(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	return keys
}

func byKey(list []any, keys []string) map[string]any {
	out := make(map[string]any, len(list))
	for i, key := range keys {
		out[key] = list[i]
	}
	return out
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

// at is the value at a path as the engine writes it, or nil.
func at(properties map[string]any, path string) any {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		return nil
	}
	var value any = properties
	for _, step := range parsed {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step < 0 || step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// Text is the value at a path of the properties as text, or "" where there is none, or where it is a secret or not known yet. The path is of keys only.
func Text(properties map[string]any, keys ...string) string {
	var value any = properties
	for _, key := range keys {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// Show prints a value for a reader on one line.
func Show(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return `""`
		}
		return v
	case fmt.Stringer:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		parts := make([]string, len(v))
		for i, inner := range v {
			parts[i] = Show(inner)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !internal(key) {
				parts = append(parts, key+": "+Show(v[key]))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}
