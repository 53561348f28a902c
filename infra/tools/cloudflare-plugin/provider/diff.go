package provider

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/cloudflare/cloudflare-go"
	p "github.com/pulumi/pulumi-go-provider"
)

// differ compares what is wanted with what is there, property by property. An input that is not given wants the type's zero value, unless it is one of
// computed: those are then the account's own business.
func differ(wanted, there any, replace, computed []string) p.DiffResponse {
	response := p.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	have := fields(there)
	for name, want := range fields(wanted) {
		if empty(want) && slices.Contains(computed, name) || same(want, have[name]) {
			continue
		}
		kind := p.Update
		if slices.Contains(replace, name) {
			kind = p.UpdateReplace
		}
		response.HasChanges = true
		response.DetailedDiff[name] = p.PropertyDiff{Kind: kind}
	}
	return response
}

// fields returns a struct's tagged fields, those of embedded structs among them.
func fields(of any) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	value := reflect.ValueOf(of)
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if field.Anonymous {
			for name, v := range fields(value.Field(i).Interface()) {
				found[name] = v
			}
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("pulumi"), ","); name != "" {
			found[name] = value.Field(i)
		}
	}
	return found
}

// empty says whether a value is nothing: nil, zero, or a list without members.
func empty(v reflect.Value) bool {
	switch {
	case !v.IsValid():
		return true
	case v.Kind() == reflect.Pointer:
		return v.IsNil() || empty(v.Elem())
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

func same(a, b reflect.Value) bool {
	if empty(a) || empty(b) {
		return empty(a) && empty(b)
	}
	if a.Kind() == reflect.Pointer {
		a = a.Elem()
	}
	if b.Kind() == reflect.Pointer {
		b = b.Elem()
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// gone says whether the API no longer knows a thing.
func gone(err error) bool {
	var missing *cloudflare.NotFoundError
	if errors.As(err, &missing) {
		return true
	}
	var refused *cloudflare.Error
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound
}

// value returns what a pointer points to, or zero.
func value[T any](pointer *T) T {
	if pointer == nil {
		var zero T
		return zero
	}
	return *pointer
}

// optional returns a pointer to a value, nil for zero: how an input that was not given looks.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
