package guard

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// tokenPrefix begins the type token of everything that the Kubernetes provider serves.
const tokenPrefix = "kubernetes:"

// object is one registered object with its inputs as plain values.
type object struct {
	// token is the type token, kind its last part, name the logical name.
	token, kind, name string
	root              view
}

func newObject(token, name string, props any) object {
	return object{token: token, kind: token[strings.LastIndex(token, ":")+1:], name: name, root: view{value: plain(reflect.ValueOf(props))}}
}

// The tokens of the kinds that rules read.
const (
	deployment    = "kubernetes:apps/v1:Deployment"
	daemonSet     = "kubernetes:apps/v1:DaemonSet"
	statefulSet   = "kubernetes:apps/v1:StatefulSet"
	job           = "kubernetes:batch/v1:Job"
	cronJob       = "kubernetes:batch/v1:CronJob"
	autoscaler    = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
	budget        = "kubernetes:policy/v1:PodDisruptionBudget"
	priorityClass = "kubernetes:scheduling.k8s.io/v1:PriorityClass"
)

// template is the template of the object's pods; ok is false for a kind without one.
func (o object) template() (v view, ok bool) {
	switch o.token {
	case deployment, daemonSet, statefulSet, job:
		return o.root.get("spec", "template"), true
	case cronJob:
		return o.root.get("spec", "jobTemplate", "spec", "template"), true
	default:
		return view{}, false
	}
}

func (o object) podSpec() (view, bool) {
	template, ok := o.template()
	return template.get("spec"), ok
}

// metadata is the object's namespace and name in Kubernetes; empty where they are not plain.
func (o object) metadata() (namespace, name string) {
	return o.root.get("metadata", "namespace").text(), o.root.get("metadata", "name").text()
}

// late stands for a value that an Output holds.
type late struct{}

// view is a value inside an object with its path. Everything inside a late value is that late value.
type view struct {
	path  string
	value any
}

func (v view) late() bool { return v.value == late{} }

func (v view) absent() bool { return v.value == nil }

// get follows the keys; what is not there is absent.
func (v view) get(keys ...string) view {
	for _, key := range keys {
		if v.late() {
			return v
		}
		fields, _ := v.value.(map[string]any)
		path := key
		if v.path != "" {
			path = v.path + "." + key
		}
		v = view{path, fields[key]}
	}
	return v
}

// items are the elements of a list; of anything else there are none.
func (v view) items() []view {
	list, _ := v.value.([]any)
	out := make([]view, len(list))
	for n, item := range list {
		out[n] = view{fmt.Sprintf("%s[%d]", v.path, n), item}
	}
	return out
}

// text is a string as it is, and a number as it is written.
func (v view) text() string {
	switch value := v.value.(type) {
	case string:
		return value
	case int64, float64:
		return fmt.Sprint(value)
	default:
		return ""
	}
}

// texts is a map of strings; ok is false if one of them is late.
func (v view) texts() (out map[string]string, ok bool) {
	if v.late() {
		return nil, false
	}
	fields, _ := v.value.(map[string]any)
	out = map[string]string{}
	for key := range fields {
		item := v.get(key)
		if item.late() {
			return nil, false
		}
		out[key] = item.text()
	}
	return out, true
}

func (v view) number() (int64, bool) {
	n, ok := v.value.(int64)
	return n, ok
}

func (v view) yes() bool { return v.value == true }

var (
	outputType   = reflect.TypeFor[pulumi.Output]()
	resourceType = reflect.TypeFor[pulumi.Resource]()
)

// plain gives a Pulumi input as maps, lists, strings, numbers and booleans, and late{} where an Output stands. It does not wait for any.
func plain(v reflect.Value) any {
	for {
		if !v.IsValid() {
			return nil
		}
		if v.Type().Implements(outputType) || v.Type().Implements(resourceType) {
			return late{}
		}
		if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer {
			break
		}
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		return fields(v)
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		out := map[string]any{}
		for keys := v.MapRange(); keys.Next(); {
			out[keys.Key().String()] = plain(keys.Value())
		}
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for n := range out {
			out[n] = plain(v.Index(n))
		}
		return out
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	default:
		// What no rule can read counts as what no rule may read.
		return late{}
	}
}

// fields gives an Args struct under the names of the wire, which are in the tags of the type that its Output would hold.
func fields(v reflect.Value) any {
	named := v.Type()
	if input, ok := v.Interface().(pulumi.Input); ok {
		if element := input.ElementType(); element.Kind() == reflect.Struct {
			named = element
		} else if element.Kind() == reflect.Pointer && element.Elem().Kind() == reflect.Struct {
			named = element.Elem()
		}
	}
	out := map[string]any{}
	for n := range v.NumField() {
		field := v.Type().Field(n)
		if !field.IsExported() {
			continue
		}
		value := plain(v.Field(n))
		if value == nil {
			continue
		}
		name := strings.ToLower(field.Name[:1]) + field.Name[1:]
		if wire, ok := named.FieldByName(field.Name); ok {
			if tag, _, _ := strings.Cut(wire.Tag.Get("pulumi"), ","); tag != "" {
				name = tag
			}
		}
		out[name] = value
	}
	return out
}
