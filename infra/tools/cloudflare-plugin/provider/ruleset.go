package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/cloudflare/cloudflare-go"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Ruleset is cloudflare.Ruleset: a zone's own rules for one phase of a request. Of its phases this drop-in knows the cache rules.
type Ruleset struct{}

// RulesetInputs are its inputs.
type RulesetInputs struct {
	AccountID   *string       `pulumi:"accountId,optional"`
	Description *string       `pulumi:"description,optional"`
	Kind        string        `pulumi:"kind"`
	Name        string        `pulumi:"name"`
	Phase       string        `pulumi:"phase"`
	Rules       []RulesetRule `pulumi:"rules,optional"`
	ZoneID      *string       `pulumi:"zoneId,optional"`
}

// RulesetState is its state.
type RulesetState struct {
	AccountID   *string       `pulumi:"accountId,optional"`
	Description string        `pulumi:"description"`
	Kind        string        `pulumi:"kind"`
	Name        string        `pulumi:"name"`
	Phase       string        `pulumi:"phase"`
	Rules       []RulesetRule `pulumi:"rules,optional"`
	ZoneID      *string       `pulumi:"zoneId,optional"`
}

var (
	_ infer.CustomResource[RulesetInputs, RulesetState] = (*Ruleset)(nil)
	_ infer.CustomCheck[RulesetInputs]                  = (*Ruleset)(nil)
	_ infer.CustomDiff[RulesetInputs, RulesetState]     = (*Ruleset)(nil)
	_ infer.CustomUpdate[RulesetInputs, RulesetState]   = (*Ruleset)(nil)
	_ infer.CustomRead[RulesetInputs, RulesetState]     = (*Ruleset)(nil)
	_ infer.CustomDelete[RulesetState]                  = (*Ruleset)(nil)
)

// Annotate describes the resource.
func (r *Ruleset) Annotate(a infer.Annotator) {
	a.SetToken("index/ruleset", "Ruleset")
	a.Describe(&r, "A zone's own rules for one phase of a request.")
}

// The one phase that this drop-in knows, and its action.
const (
	cachePhase  = "http_request_cache_settings"
	cacheAction = "set_cache_settings"
)

// Check wants a zone, and refuses the parts of the schema that this drop-in does not carry out.
func (*Ruleset) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[RulesetInputs], error) {
	in, failures, err := infer.DefaultCheck[RulesetInputs](ctx, req.NewInputs)
	if err != nil {
		return infer.CheckResponse[RulesetInputs]{}, err
	}
	unknown := func(property, reason string) {
		failures = append(failures, p.CheckFailure{Property: property, Reason: reason + "; leave it out, or use the official plugin"})
	}
	if zone, given := req.NewInputs.GetOk("zoneId"); !given || zone.IsNull() || in.AccountID != nil {
		unknown("zoneId", "this drop-in carries out the rulesets of zones only")
	}
	if in.Kind != "zone" || in.Phase != cachePhase {
		unknown("phase", fmt.Sprintf("this drop-in carries out kind zone in phase %s only, not kind %s in phase %s", cachePhase, in.Kind, in.Phase))
	}
	for i, rule := range in.Rules {
		if value(rule.Action) != cacheAction {
			unknown(fmt.Sprintf("rules[%d].action", i), fmt.Sprintf("this drop-in carries out %s only, not %q", cacheAction, value(rule.Action)))
		}
		if rule.ActionParameters != nil {
			rest := *rule.ActionParameters
			rest.Cache, rest.BrowserTTL, rest.ServeStale, rest.RespectStrongEtags, rest.OriginErrorPagePassthru = nil, nil, nil, nil, nil
			if rest.EdgeTTL != nil && len(rest.EdgeTTL.StatusCodeTtls) == 0 {
				rest.EdgeTTL = nil
			}
			if !reflect.ValueOf(rest).IsZero() {
				unknown(fmt.Sprintf("rules[%d].actionParameters", i), "this drop-in carries out cache, edgeTtl without status codes, browserTtl, serveStale, respectStrongEtags and originErrorPagePassthru only")
			}
		}
	}
	return infer.CheckResponse[RulesetInputs]{Inputs: in, Failures: failures}, nil
}

// apiName is the API's name of a property: edge_ttl for edgeTtl.
func apiName(property string) string {
	var b strings.Builder
	for _, c := range property {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// toAPI turns a value of our types into JSON's own, under the API's names. JSON tags on the types would do the same, but they would show as properties of the resource.
func toAPI(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return toAPI(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = toAPI(v.Index(i))
		}
		return list
	case reflect.Struct:
		object := map[string]any{}
		for name, field := range fields(v.Interface()) {
			if !empty(field) || field.Kind() == reflect.Pointer && !field.IsNil() {
				object[apiName(name)] = toAPI(field)
			}
		}
		return object
	default:
		return v.Interface()
	}
}

// fromAPI fills a value of our types from JSON's own. What our types do not have is left out.
func fromAPI(from any, to reflect.Value) {
	switch to.Kind() {
	case reflect.Pointer:
		if from != nil {
			to.Set(reflect.New(to.Type().Elem()))
			fromAPI(from, to.Elem())
		}
	case reflect.Slice:
		list, _ := from.([]any)
		for _, item := range list {
			one := reflect.New(to.Type().Elem()).Elem()
			fromAPI(item, one)
			to.Set(reflect.Append(to, one))
		}
	case reflect.Struct:
		object, _ := from.(map[string]any)
		for i := range to.NumField() {
			name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("pulumi"), ",")
			fromAPI(object[apiName(name)], to.Field(i))
		}
	default:
		if v := reflect.ValueOf(from); v.IsValid() && v.CanConvert(to.Type()) && (v.Kind() == reflect.String) == (to.Kind() == reflect.String) {
			to.Set(v.Convert(to.Type()))
		}
	}
}

// throughJSON copies one form of a value into another.
func throughJSON(from, to any) error {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	return err
}

func (i RulesetInputs) rules() ([]cloudflare.RulesetRule, error) {
	var rules []cloudflare.RulesetRule
	if err := throughJSON(toAPI(reflect.ValueOf(i.Rules)), &rules); err != nil {
		return nil, fmt.Errorf("ruleset %s: %w", i.Name, err)
	}
	for n := range rules {
		if rules[n].Enabled == nil {
			rules[n].Enabled = cloudflare.BoolPtr(true)
		}
	}
	if rules == nil {
		rules = []cloudflare.RulesetRule{}
	}
	return rules, nil
}

// state puts together what the API says; of a rule's identity it shows what the inputs give.
func (i RulesetInputs) state(r cloudflare.Ruleset) (RulesetState, error) {
	var plain any
	if err := throughJSON(r.Rules, &plain); err != nil {
		return RulesetState{}, fmt.Errorf("ruleset %s: %w", r.Name, err)
	}
	var rules []RulesetRule
	fromAPI(plain, reflect.ValueOf(&rules).Elem())
	for n := range rules {
		var given RulesetRule
		if n < len(i.Rules) {
			given = i.Rules[n]
		}
		rules[n].ID = given.ID
		if given.Ref == nil {
			rules[n].Ref = nil
		}
		if n < len(i.Rules) && given.Enabled == nil && value(rules[n].Enabled) {
			rules[n].Enabled = nil
		}
	}
	return RulesetState{Description: r.Description, Kind: r.Kind, Name: r.Name, Phase: r.Phase, Rules: rules, ZoneID: i.ZoneID}, nil
}

// Diff replaces a ruleset whose zone, kind, phase or name changes: the API has no way to change them.
func (*Ruleset) Diff(_ context.Context, req infer.DiffRequest[RulesetInputs, RulesetState]) (infer.DiffResponse, error) {
	return differ(req.Inputs, req.State, []string{"accountId", "zoneId", "kind", "phase", "name"}, nil), nil
}

// Create creates the ruleset. A zone has one for each phase: rules that someone else made there are not written over.
func (*Ruleset) Create(ctx context.Context, req infer.CreateRequest[RulesetInputs]) (infer.CreateResponse[RulesetState], error) {
	in := req.Inputs
	rules, err := in.rules()
	if err != nil {
		return infer.CreateResponse[RulesetState]{}, err
	}
	if req.DryRun {
		state, err := in.state(cloudflare.Ruleset{Description: value(in.Description), Kind: in.Kind, Name: in.Name, Phase: in.Phase, Rules: rules})
		return infer.CreateResponse[RulesetState]{Output: state}, err
	}
	zone := cloudflare.ZoneIdentifier(value(in.ZoneID))
	there, err := api(ctx).GetEntrypointRuleset(ctx, zone, in.Phase)
	switch {
	case err != nil && !gone(err):
		return infer.CreateResponse[RulesetState]{}, fmt.Errorf("create ruleset %s: %w", in.Name, err)
	case err == nil && len(there.Rules) > 0:
		return infer.CreateResponse[RulesetState]{}, fmt.Errorf("create ruleset %s: a similar configuration with rules already exists (%s) and overwriting will have unintended consequences; import it as zone/%s/%s",
			in.Name, there.Name, value(in.ZoneID), there.ID)
	case err == nil:
		// An empty one is what a dashboard leaves behind.
		if err := api(ctx).DeleteRuleset(ctx, zone, there.ID); err != nil {
			return infer.CreateResponse[RulesetState]{}, fmt.Errorf("create ruleset %s: remove the empty one: %w", in.Name, err)
		}
	}
	made, err := api(ctx).CreateRuleset(ctx, zone, cloudflare.CreateRulesetParams{Name: in.Name, Description: value(in.Description), Kind: in.Kind, Phase: in.Phase, Rules: rules})
	if err != nil {
		return infer.CreateResponse[RulesetState]{}, fmt.Errorf("create ruleset %s: %w", in.Name, err)
	}
	state, err := in.state(made)
	return infer.CreateResponse[RulesetState]{ID: made.ID, Output: state}, err
}

// Update changes the rules in place.
func (*Ruleset) Update(ctx context.Context, req infer.UpdateRequest[RulesetInputs, RulesetState]) (infer.UpdateResponse[RulesetState], error) {
	in := req.Inputs
	rules, err := in.rules()
	if err != nil {
		return infer.UpdateResponse[RulesetState]{}, err
	}
	made := cloudflare.Ruleset{Description: value(in.Description), Kind: in.Kind, Name: in.Name, Phase: in.Phase, Rules: rules}
	if !req.DryRun {
		made, err = api(ctx).UpdateRuleset(ctx, cloudflare.ZoneIdentifier(value(in.ZoneID)), cloudflare.UpdateRulesetParams{ID: req.ID, Description: value(in.Description), Rules: rules})
		if err != nil {
			return infer.UpdateResponse[RulesetState]{}, fmt.Errorf("update ruleset %s: %w", in.Name, err)
		}
	}
	state, err := in.state(made)
	return infer.UpdateResponse[RulesetState]{Output: state}, err
}

// Read takes over what is there. To import, the id is zone/<zone>/<ruleset>, with the word zone.
func (*Ruleset) Read(ctx context.Context, req infer.ReadRequest[RulesetInputs, RulesetState]) (infer.ReadResponse[RulesetInputs, RulesetState], error) {
	zone, id, imported, err := owner(strings.TrimPrefix(req.ID, "zone/"), value(req.State.ZoneID))
	if err != nil {
		return infer.ReadResponse[RulesetInputs, RulesetState]{}, fmt.Errorf("import ruleset: %s", strings.ReplaceAll(err.Error(), "account/id", "zone/id"))
	}
	there, err := api(ctx).GetRuleset(ctx, cloudflare.ZoneIdentifier(zone), id)
	if gone(err) {
		return infer.ReadResponse[RulesetInputs, RulesetState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[RulesetInputs, RulesetState]{}, fmt.Errorf("read ruleset %s: %w", id, err)
	}
	in := req.Inputs
	in.ZoneID = &zone
	state, err := in.state(there)
	if imported {
		in = RulesetInputs{Description: optional(state.Description), Kind: state.Kind, Name: state.Name, Phase: state.Phase, Rules: state.Rules, ZoneID: &zone}
	}
	return infer.ReadResponse[RulesetInputs, RulesetState]{ID: id, Inputs: in, State: state}, err
}

// Delete removes the ruleset; one that is gone already is no error.
func (*Ruleset) Delete(ctx context.Context, req infer.DeleteRequest[RulesetState]) (infer.DeleteResponse, error) {
	err := api(ctx).DeleteRuleset(ctx, cloudflare.ZoneIdentifier(value(req.State.ZoneID)), req.ID)
	if err != nil && !gone(err) {
		return infer.DeleteResponse{}, fmt.Errorf("delete ruleset %s: %w", req.State.Name, err)
	}
	return infer.DeleteResponse{}, nil
}
