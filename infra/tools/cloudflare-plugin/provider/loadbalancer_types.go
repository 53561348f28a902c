package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// The types below are the official schema of a load balancer's parts, whole, so that a program cannot tell the two plugins apart; Check says which of them this one knows.

// LoadBalancerAdaptiveRouting is of the official schema.
type LoadBalancerAdaptiveRouting struct {
	FailoverAcrossPools *bool `pulumi:"failoverAcrossPools,optional"`
}

// LoadBalancerCountryPool is of the official schema.
type LoadBalancerCountryPool struct {
	Country string   `pulumi:"country"`
	PoolIDs []string `pulumi:"poolIds,optional"`
}

// LoadBalancerLocationStrategy is of the official schema.
type LoadBalancerLocationStrategy struct {
	Mode      *string `pulumi:"mode,optional"`
	PreferEcs *string `pulumi:"preferEcs,optional"`
}

// LoadBalancerPopPool is of the official schema.
type LoadBalancerPopPool struct {
	PoolIDs []string `pulumi:"poolIds,optional"`
	Pop     string   `pulumi:"pop"`
}

// LoadBalancerRandomSteering is of the official schema.
type LoadBalancerRandomSteering struct {
	DefaultWeight *float64           `pulumi:"defaultWeight,optional"`
	PoolWeights   map[string]float64 `pulumi:"poolWeights,optional"`
}

// LoadBalancerRegionPool is of the official schema.
type LoadBalancerRegionPool struct {
	PoolIDs []string `pulumi:"poolIds,optional"`
	Region  string   `pulumi:"region"`
}

// LoadBalancerRule is of the official schema.
type LoadBalancerRule struct {
	Condition     *string                        `pulumi:"condition,optional"`
	Disabled      *bool                          `pulumi:"disabled,optional"`
	FixedResponse *LoadBalancerRuleFixedResponse `pulumi:"fixedResponse,optional"`
	Name          string                         `pulumi:"name"`
	Overrides     []LoadBalancerRuleOverride     `pulumi:"overrides,optional"`
	Priority      *int                           `pulumi:"priority,optional"`
	Terminates    *bool                          `pulumi:"terminates,optional"`
}

// LoadBalancerRuleFixedResponse is of the official schema.
type LoadBalancerRuleFixedResponse struct {
	ContentType *string `pulumi:"contentType,optional"`
	Location    *string `pulumi:"location,optional"`
	MessageBody *string `pulumi:"messageBody,optional"`
	StatusCode  *int    `pulumi:"statusCode,optional"`
}

// LoadBalancerRuleOverride is of the official schema.
type LoadBalancerRuleOverride struct {
	AdaptiveRoutings          []LoadBalancerRuleOverrideAdaptiveRouting          `pulumi:"adaptiveRoutings,optional"`
	CountryPools              []LoadBalancerRuleOverrideCountryPool              `pulumi:"countryPools,optional"`
	DefaultPools              []string                                           `pulumi:"defaultPools,optional"`
	FallbackPool              *string                                            `pulumi:"fallbackPool,optional"`
	LocationStrategies        []LoadBalancerRuleOverrideLocationStrategy         `pulumi:"locationStrategies,optional"`
	PopPools                  []LoadBalancerRuleOverridePopPool                  `pulumi:"popPools,optional"`
	RandomSteerings           []LoadBalancerRuleOverrideRandomSteering           `pulumi:"randomSteerings,optional"`
	RegionPools               []LoadBalancerRuleOverrideRegionPool               `pulumi:"regionPools,optional"`
	SessionAffinity           *string                                            `pulumi:"sessionAffinity,optional"`
	SessionAffinityAttributes []LoadBalancerRuleOverrideSessionAffinityAttribute `pulumi:"sessionAffinityAttributes,optional"`
	SessionAffinityTTL        *int                                               `pulumi:"sessionAffinityTtl,optional"`
	SteeringPolicy            *string                                            `pulumi:"steeringPolicy,optional"`
	TTL                       *int                                               `pulumi:"ttl,optional"`
}

// LoadBalancerRuleOverrideAdaptiveRouting is of the official schema.
type LoadBalancerRuleOverrideAdaptiveRouting struct {
	FailoverAcrossPools *bool `pulumi:"failoverAcrossPools,optional"`
}

// LoadBalancerRuleOverrideCountryPool is of the official schema.
type LoadBalancerRuleOverrideCountryPool struct {
	Country string   `pulumi:"country"`
	PoolIDs []string `pulumi:"poolIds,optional"`
}

// LoadBalancerRuleOverrideLocationStrategy is of the official schema.
type LoadBalancerRuleOverrideLocationStrategy struct {
	Mode      *string `pulumi:"mode,optional"`
	PreferEcs *string `pulumi:"preferEcs,optional"`
}

// LoadBalancerRuleOverridePopPool is of the official schema.
type LoadBalancerRuleOverridePopPool struct {
	PoolIDs []string `pulumi:"poolIds,optional"`
	Pop     string   `pulumi:"pop"`
}

// LoadBalancerRuleOverrideRandomSteering is of the official schema.
type LoadBalancerRuleOverrideRandomSteering struct {
	DefaultWeight *float64           `pulumi:"defaultWeight,optional"`
	PoolWeights   map[string]float64 `pulumi:"poolWeights,optional"`
}

// LoadBalancerRuleOverrideRegionPool is of the official schema.
type LoadBalancerRuleOverrideRegionPool struct {
	PoolIDs []string `pulumi:"poolIds,optional"`
	Region  string   `pulumi:"region"`
}

// LoadBalancerRuleOverrideSessionAffinityAttribute is of the official schema.
type LoadBalancerRuleOverrideSessionAffinityAttribute struct {
	Headers              []string `pulumi:"headers,optional"`
	RequireAllHeaders    *bool    `pulumi:"requireAllHeaders,optional"`
	Samesite             *string  `pulumi:"samesite,optional"`
	Secure               *string  `pulumi:"secure,optional"`
	ZeroDowntimeFailover *string  `pulumi:"zeroDowntimeFailover,optional"`
}

// LoadBalancerSessionAffinityAttribute is of the official schema.
type LoadBalancerSessionAffinityAttribute struct {
	DrainDuration        *int     `pulumi:"drainDuration,optional"`
	Headers              []string `pulumi:"headers,optional"`
	RequireAllHeaders    *bool    `pulumi:"requireAllHeaders,optional"`
	Samesite             *string  `pulumi:"samesite,optional"`
	Secure               *string  `pulumi:"secure,optional"`
	ZeroDowntimeFailover *string  `pulumi:"zeroDowntimeFailover,optional"`
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerAdaptiveRouting) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerAdaptiveRouting", "LoadBalancerAdaptiveRouting")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerCountryPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerCountryPool", "LoadBalancerCountryPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerLocationStrategy) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerLocationStrategy", "LoadBalancerLocationStrategy")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerPopPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerPopPool", "LoadBalancerPopPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRandomSteering) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRandomSteering", "LoadBalancerRandomSteering")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRegionPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRegionPool", "LoadBalancerRegionPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRule) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRule", "LoadBalancerRule")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleFixedResponse) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleFixedResponse", "LoadBalancerRuleFixedResponse")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverride) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverride", "LoadBalancerRuleOverride")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideAdaptiveRouting) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideAdaptiveRouting", "LoadBalancerRuleOverrideAdaptiveRouting")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideCountryPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideCountryPool", "LoadBalancerRuleOverrideCountryPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideLocationStrategy) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideLocationStrategy", "LoadBalancerRuleOverrideLocationStrategy")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverridePopPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverridePopPool", "LoadBalancerRuleOverridePopPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideRandomSteering) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideRandomSteering", "LoadBalancerRuleOverrideRandomSteering")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideRegionPool) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideRegionPool", "LoadBalancerRuleOverrideRegionPool")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerRuleOverrideSessionAffinityAttribute) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerRuleOverrideSessionAffinityAttribute", "LoadBalancerRuleOverrideSessionAffinityAttribute")
}

// Annotate names the type as the official plugin does.
func (x *LoadBalancerSessionAffinityAttribute) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerSessionAffinityAttribute", "LoadBalancerSessionAffinityAttribute")
}
