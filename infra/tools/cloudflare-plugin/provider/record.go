package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Record is cloudflare.Record: one DNS record.
type Record struct{}

// RecordInputs are its inputs.
type RecordInputs struct {
	AllowOverwrite *bool       `pulumi:"allowOverwrite,optional"`
	Comment        *string     `pulumi:"comment,optional"`
	Content        *string     `pulumi:"content,optional"`
	Data           *RecordData `pulumi:"data,optional"`
	Name           string      `pulumi:"name"`
	Priority       *int        `pulumi:"priority,optional"`
	Proxied        *bool       `pulumi:"proxied,optional"`
	Tags           []string    `pulumi:"tags,optional"`
	TTL            *int        `pulumi:"ttl,optional"`
	Type           string      `pulumi:"type"`
	Value          *string     `pulumi:"value,optional"`
	ZoneID         string      `pulumi:"zoneId"`
}

// RecordState is its state.
type RecordState struct {
	AllowOverwrite *bool             `pulumi:"allowOverwrite,optional"`
	Comment        *string           `pulumi:"comment,optional"`
	Content        string            `pulumi:"content"`
	CreatedOn      string            `pulumi:"createdOn"`
	Data           *RecordData       `pulumi:"data,optional"`
	Hostname       string            `pulumi:"hostname"`
	Metadata       map[string]string `pulumi:"metadata"`
	ModifiedOn     string            `pulumi:"modifiedOn"`
	Name           string            `pulumi:"name"`
	Priority       *int              `pulumi:"priority,optional"`
	Proxiable      bool              `pulumi:"proxiable"`
	Proxied        *bool             `pulumi:"proxied,optional"`
	Tags           []string          `pulumi:"tags,optional"`
	TTL            int               `pulumi:"ttl"`
	Type           string            `pulumi:"type"`
	Value          string            `pulumi:"value"`
	ZoneID         string            `pulumi:"zoneId"`
}

// RecordData is what a record of a kind with parts holds, such as CAA or SRV. The API's names are the same with underscores.
type RecordData struct {
	Algorithm     *int     `pulumi:"algorithm,optional" json:"algorithm,omitempty"`
	Altitude      *float64 `pulumi:"altitude,optional" json:"altitude,omitempty"`
	Certificate   *string  `pulumi:"certificate,optional" json:"certificate,omitempty"`
	Content       *string  `pulumi:"content,optional" json:"content,omitempty"`
	Digest        *string  `pulumi:"digest,optional" json:"digest,omitempty"`
	DigestType    *int     `pulumi:"digestType,optional" json:"digest_type,omitempty"`
	Fingerprint   *string  `pulumi:"fingerprint,optional" json:"fingerprint,omitempty"`
	Flags         *string  `pulumi:"flags,optional" json:"flags,omitempty"`
	KeyTag        *int     `pulumi:"keyTag,optional" json:"key_tag,omitempty"`
	LatDegrees    *int     `pulumi:"latDegrees,optional" json:"lat_degrees,omitempty"`
	LatDirection  *string  `pulumi:"latDirection,optional" json:"lat_direction,omitempty"`
	LatMinutes    *int     `pulumi:"latMinutes,optional" json:"lat_minutes,omitempty"`
	LatSeconds    *float64 `pulumi:"latSeconds,optional" json:"lat_seconds,omitempty"`
	LongDegrees   *int     `pulumi:"longDegrees,optional" json:"long_degrees,omitempty"`
	LongDirection *string  `pulumi:"longDirection,optional" json:"long_direction,omitempty"`
	LongMinutes   *int     `pulumi:"longMinutes,optional" json:"long_minutes,omitempty"`
	LongSeconds   *float64 `pulumi:"longSeconds,optional" json:"long_seconds,omitempty"`
	MatchingType  *int     `pulumi:"matchingType,optional" json:"matching_type,omitempty"`
	Name          *string  `pulumi:"name,optional" json:"name,omitempty"`
	Order         *int     `pulumi:"order,optional" json:"order,omitempty"`
	Port          *int     `pulumi:"port,optional" json:"port,omitempty"`
	PrecisionHorz *float64 `pulumi:"precisionHorz,optional" json:"precision_horz,omitempty"`
	PrecisionVert *float64 `pulumi:"precisionVert,optional" json:"precision_vert,omitempty"`
	Preference    *int     `pulumi:"preference,optional" json:"preference,omitempty"`
	Priority      *int     `pulumi:"priority,optional" json:"priority,omitempty"`
	Proto         *string  `pulumi:"proto,optional" json:"proto,omitempty"`
	Protocol      *int     `pulumi:"protocol,optional" json:"protocol,omitempty"`
	PublicKey     *string  `pulumi:"publicKey,optional" json:"public_key,omitempty"`
	Regex         *string  `pulumi:"regex,optional" json:"regex,omitempty"`
	Replacement   *string  `pulumi:"replacement,optional" json:"replacement,omitempty"`
	Selector      *int     `pulumi:"selector,optional" json:"selector,omitempty"`
	Service       *string  `pulumi:"service,optional" json:"service,omitempty"`
	Size          *float64 `pulumi:"size,optional" json:"size,omitempty"`
	Tag           *string  `pulumi:"tag,optional" json:"tag,omitempty"`
	Target        *string  `pulumi:"target,optional" json:"target,omitempty"`
	Type          *int     `pulumi:"type,optional" json:"type,omitempty"`
	Usage         *int     `pulumi:"usage,optional" json:"usage,omitempty"`
	Value         *string  `pulumi:"value,optional" json:"value,omitempty"`
	Weight        *int     `pulumi:"weight,optional" json:"weight,omitempty"`
}

var (
	_ infer.CustomResource[RecordInputs, RecordState] = (*Record)(nil)
	_ infer.CustomCheck[RecordInputs]                 = (*Record)(nil)
	_ infer.CustomDiff[RecordInputs, RecordState]     = (*Record)(nil)
	_ infer.CustomUpdate[RecordInputs, RecordState]   = (*Record)(nil)
	_ infer.CustomRead[RecordInputs, RecordState]     = (*Record)(nil)
	_ infer.CustomDelete[RecordState]                 = (*Record)(nil)
	_ infer.Annotated                                 = (*Record)(nil)
)

// Annotate describes the resource.
func (r *Record) Annotate(a infer.Annotator) {
	a.SetToken("index/record", "Record")
	a.Describe(&r, "Provides a Cloudflare record resource.")
}

// Annotate names the type as the official plugin does.
func (d *RecordData) Annotate(a infer.Annotator) { a.SetToken("index/RecordData", "RecordData") }

// Check wants exactly one of content, value and data.
func (*Record) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[RecordInputs], error) {
	inputs, failures, err := infer.DefaultCheck[RecordInputs](ctx, req.NewInputs)
	given := 0
	for _, name := range []string{"content", "value", "data"} {
		if v, ok := req.NewInputs.GetOk(name); ok && !v.IsNull() {
			given++
		}
	}
	if err == nil && given != 1 {
		failures = append(failures, p.CheckFailure{Property: "content", Reason: fmt.Sprintf("exactly one of content, value and data must be set, found %d", given)})
	}
	return infer.CheckResponse[RecordInputs]{Inputs: inputs, Failures: failures}, err
}

// Diff replaces a record whose zone, name or type changes.
func (*Record) Diff(_ context.Context, req infer.DiffRequest[RecordInputs, RecordState]) (infer.DiffResponse, error) {
	response := differ(req.Inputs, req.State, []string{"zoneId", "name", "type"}, []string{"content", "value", "ttl", "data", "priority"})
	return response, nil
}

// content is the record's content by whichever name it was given.
func (i RecordInputs) content() string {
	if i.Content != nil {
		return *i.Content
	}
	return value(i.Value)
}

// parts returns the record's data as the API takes it; CAA's flags are a number there.
func (i RecordInputs) parts() (any, error) {
	if i.Data == nil {
		return nil, nil
	}
	text, err := json.Marshal(i.Data)
	if err != nil {
		return nil, err
	}
	var parts map[string]any
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, err
	}
	if i.Type == "CAA" && i.Data.Flags != nil {
		parts["flags"] = json.Number(*i.Data.Flags)
	}
	return parts, nil
}

func (i RecordInputs) priority() *uint16 {
	if i.Priority == nil {
		return nil
	}
	v := uint16(*i.Priority)
	return &v
}

// state puts together what the API says and what only the inputs know.
func (i RecordInputs) state(r cloudflare.DNSRecord) RecordState {
	s := RecordState{
		AllowOverwrite: i.AllowOverwrite, Comment: optional(r.Comment), Content: r.Content, CreatedOn: r.CreatedOn.Format(time.RFC3339Nano), Data: i.Data,
		Hostname: r.Name, Metadata: map[string]string{}, ModifiedOn: r.ModifiedOn.Format(time.RFC3339Nano), Name: i.Name, Proxiable: r.Proxiable, Proxied: r.Proxied,
		Tags: r.Tags, TTL: r.TTL, Type: r.Type, Value: r.Content, ZoneID: i.ZoneID,
	}
	if r.Priority != nil {
		n := int(*r.Priority)
		s.Priority = &n
	}
	if meta, ok := r.Meta.(map[string]any); ok {
		for name, v := range meta {
			s.Metadata[name] = fmt.Sprint(v)
		}
	}
	return s
}

// Create creates the record. Where one is there already it is an error, unless allowOverwrite takes that over.
func (*Record) Create(ctx context.Context, req infer.CreateRequest[RecordInputs]) (infer.CreateResponse[RecordState], error) {
	in := req.Inputs
	if req.DryRun {
		return infer.CreateResponse[RecordState]{Output: in.state(cloudflare.DNSRecord{Type: in.Type, Content: in.content(), Proxied: in.Proxied, Tags: in.Tags, Comment: value(in.Comment), TTL: value(in.TTL)})}, nil
	}
	parts, err := in.parts()
	if err != nil {
		return infer.CreateResponse[RecordState]{}, fmt.Errorf("record %s: data: %w", in.Name, err)
	}
	zone := cloudflare.ZoneIdentifier(in.ZoneID)
	record, err := api(ctx).CreateDNSRecord(ctx, zone, cloudflare.CreateDNSRecordParams{
		Type: in.Type, Name: in.Name, Content: in.content(), Data: parts, Priority: in.priority(), TTL: ttl(in.TTL), Proxied: in.Proxied,
		Comment: value(in.Comment), Tags: in.Tags,
	})
	if err != nil && exists(err) {
		if !value(in.AllowOverwrite) {
			return infer.CreateResponse[RecordState]{}, fmt.Errorf("record %s %s: expected DNS record to not already be present but already exists; import it, or set allowOverwrite: %w", in.Type, in.Name, err)
		}
		record, err = in.takeOver(ctx, zone)
	}
	if err != nil {
		return infer.CreateResponse[RecordState]{}, fmt.Errorf("create record %s %s: %w", in.Type, in.Name, err)
	}
	return infer.CreateResponse[RecordState]{ID: record.ID, Output: in.state(record)}, nil
}

// The API's codes for a record that is there already.
var existing = []int{81053, 81054, 81056, 81057, 81058}

func exists(err error) bool {
	var refused interface{ ErrorCodes() []int }
	if !errors.As(err, &refused) {
		return false
	}
	return slices.ContainsFunc(refused.ErrorCodes(), func(code int) bool { return slices.Contains(existing, code) })
}

// takeOver makes the record that is in the way the wanted one: the one with the same content, else the only one of its name and type.
func (i RecordInputs) takeOver(ctx context.Context, zone *cloudflare.ResourceContainer) (cloudflare.DNSRecord, error) {
	details, err := api(ctx).ZoneDetails(ctx, i.ZoneID)
	if err != nil {
		return cloudflare.DNSRecord{}, err
	}
	found, _, err := api(ctx).ListDNSRecords(ctx, zone, cloudflare.ListDNSRecordsParams{Type: i.Type, Name: hostname(i.Name, details.Name)})
	if err != nil {
		return cloudflare.DNSRecord{}, err
	}
	at := slices.IndexFunc(found, func(r cloudflare.DNSRecord) bool { return r.Content == i.content() })
	if at < 0 && len(found) == 1 {
		at = 0
	}
	if at < 0 {
		return cloudflare.DNSRecord{}, fmt.Errorf("attempted to override existing record however didn't find an exact match among %d of that name and type", len(found))
	}
	return i.update(ctx, zone, found[at].ID)
}

// hostname returns a record's whole name.
func hostname(name, zone string) string {
	name = strings.TrimSuffix(name, ".")
	if name == "@" || name == "" || name == zone {
		return zone
	}
	if strings.HasSuffix(name, "."+zone) {
		return name
	}
	return name + "." + zone
}

func (i RecordInputs) update(ctx context.Context, zone *cloudflare.ResourceContainer, id string) (cloudflare.DNSRecord, error) {
	parts, err := i.parts()
	if err != nil {
		return cloudflare.DNSRecord{}, fmt.Errorf("data: %w", err)
	}
	comment := value(i.Comment)
	proxied := value(i.Proxied)
	tags := i.Tags
	if tags == nil {
		tags = []string{}
	}
	return api(ctx).UpdateDNSRecord(ctx, zone, cloudflare.UpdateDNSRecordParams{
		ID: id, Type: i.Type, Name: i.Name, Content: i.content(), Data: parts, Priority: i.priority(), TTL: ttl(i.TTL), Proxied: &proxied, Comment: &comment, Tags: tags,
	})
}

// ttl returns the time to live; 1 is the API's word for automatic.
func ttl(given *int) int {
	if given == nil {
		return 1
	}
	return *given
}

// Update changes the record in place.
func (*Record) Update(ctx context.Context, req infer.UpdateRequest[RecordInputs, RecordState]) (infer.UpdateResponse[RecordState], error) {
	if req.DryRun {
		state := req.State
		state.AllowOverwrite, state.Comment, state.Data, state.Priority, state.Proxied, state.Tags = req.Inputs.AllowOverwrite, req.Inputs.Comment, req.Inputs.Data, req.Inputs.Priority, req.Inputs.Proxied, req.Inputs.Tags
		state.Content, state.Value = req.Inputs.content(), req.Inputs.content()
		return infer.UpdateResponse[RecordState]{Output: state}, nil
	}
	record, err := req.Inputs.update(ctx, cloudflare.ZoneIdentifier(req.Inputs.ZoneID), req.ID)
	if err != nil {
		return infer.UpdateResponse[RecordState]{}, fmt.Errorf("update record %s %s: %w", req.Inputs.Type, req.Inputs.Name, err)
	}
	return infer.UpdateResponse[RecordState]{Output: req.Inputs.state(record)}, nil
}

// Read takes over what is there. To import, the id is zone/record.
func (*Record) Read(ctx context.Context, req infer.ReadRequest[RecordInputs, RecordState]) (infer.ReadResponse[RecordInputs, RecordState], error) {
	in, zone, id := req.Inputs, req.State.ZoneID, req.ID
	if z, record, imported := strings.Cut(req.ID, "/"); imported {
		zone, id = z, record
	}
	if zone == "" {
		return infer.ReadResponse[RecordInputs, RecordState]{}, fmt.Errorf("import record: the id is %q; wanted zone/record, both as the API's identifiers", req.ID)
	}
	record, err := api(ctx).GetDNSRecord(ctx, cloudflare.ZoneIdentifier(zone), id)
	if gone(err) {
		return infer.ReadResponse[RecordInputs, RecordState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[RecordInputs, RecordState]{}, fmt.Errorf("read record %s: %w", id, err)
	}
	in.ZoneID, in.Type = zone, record.Type
	// The name stays as it was written, short or whole, while it means the same record.
	if in.Name == "" {
		in.Name = req.State.Name
	}
	if in.Name != "@" && in.Name != record.Name && !strings.HasPrefix(record.Name, in.Name+".") || in.Name == "" {
		in.Name = record.Name
	}
	state := in.state(record)
	if req.Inputs.Name == "" {
		// An import's inputs are what the account holds.
		in.Comment, in.Priority, in.Proxied, in.Tags, in.TTL = state.Comment, state.Priority, state.Proxied, state.Tags, &state.TTL
		in.Content = &state.Content
	}
	return infer.ReadResponse[RecordInputs, RecordState]{ID: id, Inputs: in, State: state}, nil
}

// Delete removes the record; one that is gone already is no error.
func (*Record) Delete(ctx context.Context, req infer.DeleteRequest[RecordState]) (infer.DeleteResponse, error) {
	err := api(ctx).DeleteDNSRecord(ctx, cloudflare.ZoneIdentifier(req.State.ZoneID), req.ID)
	if err != nil && !gone(err) {
		return infer.DeleteResponse{}, fmt.Errorf("delete record %s %s: %w", req.State.Type, req.State.Name, err)
	}
	return infer.DeleteResponse{}, nil
}
