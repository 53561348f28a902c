package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// The types below are the official schema of a ruleset's rules, whole, so that a program cannot tell the two plugins apart; Check says which of it this one knows.

// RulesetRule is of the official schema.
type RulesetRule struct {
	Action                 *string                            `pulumi:"action,optional"`
	ActionParameters       *RulesetRuleActionParameters       `pulumi:"actionParameters,optional"`
	Description            *string                            `pulumi:"description,optional"`
	Enabled                *bool                              `pulumi:"enabled,optional"`
	ExposedCredentialCheck *RulesetRuleExposedCredentialCheck `pulumi:"exposedCredentialCheck,optional"`
	Expression             string                             `pulumi:"expression"`
	ID                     *string                            `pulumi:"id,optional"`
	Logging                *RulesetRuleLogging                `pulumi:"logging,optional"`
	Ratelimit              *RulesetRuleRatelimit              `pulumi:"ratelimit,optional"`
	Ref                    *string                            `pulumi:"ref,optional"`
}

// RulesetRuleActionParameters is of the official schema.
type RulesetRuleActionParameters struct {
	AdditionalCacheablePorts []int                                    `pulumi:"additionalCacheablePorts,optional"`
	Algorithms               []RulesetRuleActionParametersAlgorithm   `pulumi:"algorithms,optional"`
	AutomaticHTTPSRewrites   *bool                                    `pulumi:"automaticHttpsRewrites,optional"`
	Autominifies             []RulesetRuleActionParametersAutominify  `pulumi:"autominifies,optional"`
	Bic                      *bool                                    `pulumi:"bic,optional"`
	BrowserTTL               *RulesetRuleActionParametersBrowserTTL   `pulumi:"browserTtl,optional"`
	Cache                    *bool                                    `pulumi:"cache,optional"`
	CacheKey                 *RulesetRuleActionParametersCacheKey     `pulumi:"cacheKey,optional"`
	CacheReserve             *RulesetRuleActionParametersCacheReserve `pulumi:"cacheReserve,optional"`
	Content                  *string                                  `pulumi:"content,optional"`
	ContentType              *string                                  `pulumi:"contentType,optional"`
	CookieFields             []string                                 `pulumi:"cookieFields,optional"`
	DisableApps              *bool                                    `pulumi:"disableApps,optional"`
	DisableRailgun           *bool                                    `pulumi:"disableRailgun,optional"`
	DisableRUM               *bool                                    `pulumi:"disableRum,optional"`
	DisableZaraz             *bool                                    `pulumi:"disableZaraz,optional"`
	EdgeTTL                  *RulesetRuleActionParametersEdgeTTL      `pulumi:"edgeTtl,optional"`
	EmailObfuscation         *bool                                    `pulumi:"emailObfuscation,optional"`
	Fonts                    *bool                                    `pulumi:"fonts,optional"`
	FromList                 *RulesetRuleActionParametersFromList     `pulumi:"fromList,optional"`
	FromValue                *RulesetRuleActionParametersFromValue    `pulumi:"fromValue,optional"`
	Headers                  []RulesetRuleActionParametersHeader      `pulumi:"headers,optional"`
	HostHeader               *string                                  `pulumi:"hostHeader,optional"`
	HotlinkProtection        *bool                                    `pulumi:"hotlinkProtection,optional"`
	ID                       *string                                  `pulumi:"id,optional"`
	Increment                *int                                     `pulumi:"increment,optional"`
	MatchedData              *RulesetRuleActionParametersMatchedData  `pulumi:"matchedData,optional"`
	Mirage                   *bool                                    `pulumi:"mirage,optional"`
	OpportunisticEncryption  *bool                                    `pulumi:"opportunisticEncryption,optional"`
	Origin                   *RulesetRuleActionParametersOrigin       `pulumi:"origin,optional"`
	OriginCacheControl       *bool                                    `pulumi:"originCacheControl,optional"`
	OriginErrorPagePassthru  *bool                                    `pulumi:"originErrorPagePassthru,optional"`
	Overrides                *RulesetRuleActionParametersOverrides    `pulumi:"overrides,optional"`
	Phases                   []string                                 `pulumi:"phases,optional"`
	Polish                   *string                                  `pulumi:"polish,optional"`
	Products                 []string                                 `pulumi:"products,optional"`
	ReadTimeout              *int                                     `pulumi:"readTimeout,optional"`
	RequestFields            []string                                 `pulumi:"requestFields,optional"`
	RespectStrongEtags       *bool                                    `pulumi:"respectStrongEtags,optional"`
	ResponseFields           []string                                 `pulumi:"responseFields,optional"`
	Responses                []RulesetRuleActionParametersResponse    `pulumi:"responses,optional"`
	RocketLoader             *bool                                    `pulumi:"rocketLoader,optional"`
	Rules                    map[string]string                        `pulumi:"rules,optional"`
	Ruleset                  *string                                  `pulumi:"ruleset,optional"`
	Rulesets                 []string                                 `pulumi:"rulesets,optional"`
	SecurityLevel            *string                                  `pulumi:"securityLevel,optional"`
	ServeStale               *RulesetRuleActionParametersServeStale   `pulumi:"serveStale,optional"`
	ServerSideExcludes       *bool                                    `pulumi:"serverSideExcludes,optional"`
	SNI                      *RulesetRuleActionParametersSNI          `pulumi:"sni,optional"`
	SSL                      *string                                  `pulumi:"ssl,optional"`
	StatusCode               *int                                     `pulumi:"statusCode,optional"`
	Sxg                      *bool                                    `pulumi:"sxg,optional"`
	URI                      *RulesetRuleActionParametersURI          `pulumi:"uri,optional"`
}

// RulesetRuleActionParametersAlgorithm is of the official schema.
type RulesetRuleActionParametersAlgorithm struct {
	Name string `pulumi:"name"`
}

// RulesetRuleActionParametersAutominify is of the official schema.
type RulesetRuleActionParametersAutominify struct {
	CSS  *bool `pulumi:"css,optional"`
	HTML *bool `pulumi:"html,optional"`
	JS   *bool `pulumi:"js,optional"`
}

// RulesetRuleActionParametersBrowserTTL is of the official schema.
type RulesetRuleActionParametersBrowserTTL struct {
	Default *int   `pulumi:"default,optional"`
	Mode    string `pulumi:"mode"`
}

// RulesetRuleActionParametersCacheKey is of the official schema.
type RulesetRuleActionParametersCacheKey struct {
	CacheByDeviceType       *bool                                         `pulumi:"cacheByDeviceType,optional"`
	CacheDeceptionArmor     *bool                                         `pulumi:"cacheDeceptionArmor,optional"`
	CustomKey               *RulesetRuleActionParametersCacheKeyCustomKey `pulumi:"customKey,optional"`
	IgnoreQueryStringsOrder *bool                                         `pulumi:"ignoreQueryStringsOrder,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKey is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKey struct {
	Cookie      *RulesetRuleActionParametersCacheKeyCustomKeyCookie      `pulumi:"cookie,optional"`
	Header      *RulesetRuleActionParametersCacheKeyCustomKeyHeader      `pulumi:"header,optional"`
	Host        *RulesetRuleActionParametersCacheKeyCustomKeyHost        `pulumi:"host,optional"`
	QueryString *RulesetRuleActionParametersCacheKeyCustomKeyQueryString `pulumi:"queryString,optional"`
	User        *RulesetRuleActionParametersCacheKeyCustomKeyUser        `pulumi:"user,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKeyCookie is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKeyCookie struct {
	CheckPresences []string `pulumi:"checkPresences,optional"`
	Includes       []string `pulumi:"includes,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKeyHeader is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKeyHeader struct {
	CheckPresences []string            `pulumi:"checkPresences,optional"`
	Contains       map[string][]string `pulumi:"contains,optional"`
	ExcludeOrigin  *bool               `pulumi:"excludeOrigin,optional"`
	Includes       []string            `pulumi:"includes,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKeyHost is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKeyHost struct {
	Resolved *bool `pulumi:"resolved,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKeyQueryString is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKeyQueryString struct {
	Excludes []string `pulumi:"excludes,optional"`
	Includes []string `pulumi:"includes,optional"`
}

// RulesetRuleActionParametersCacheKeyCustomKeyUser is of the official schema.
type RulesetRuleActionParametersCacheKeyCustomKeyUser struct {
	DeviceType *bool `pulumi:"deviceType,optional"`
	Geo        *bool `pulumi:"geo,optional"`
	Lang       *bool `pulumi:"lang,optional"`
}

// RulesetRuleActionParametersCacheReserve is of the official schema.
type RulesetRuleActionParametersCacheReserve struct {
	Eligible        bool `pulumi:"eligible"`
	MinimumFileSize *int `pulumi:"minimumFileSize,optional"`
}

// RulesetRuleActionParametersEdgeTTL is of the official schema.
type RulesetRuleActionParametersEdgeTTL struct {
	Default        *int                                              `pulumi:"default,optional"`
	Mode           string                                            `pulumi:"mode"`
	StatusCodeTtls []RulesetRuleActionParametersEdgeTTLStatusCodeTTL `pulumi:"statusCodeTtls,optional"`
}

// RulesetRuleActionParametersEdgeTTLStatusCodeTTL is of the official schema.
type RulesetRuleActionParametersEdgeTTLStatusCodeTTL struct {
	StatusCode       *int                                                             `pulumi:"statusCode,optional"`
	StatusCodeRanges []RulesetRuleActionParametersEdgeTTLStatusCodeTTLStatusCodeRange `pulumi:"statusCodeRanges,optional"`
	Value            *int                                                             `pulumi:"value,optional"`
}

// RulesetRuleActionParametersEdgeTTLStatusCodeTTLStatusCodeRange is of the official schema.
type RulesetRuleActionParametersEdgeTTLStatusCodeTTLStatusCodeRange struct {
	From *int `pulumi:"from,optional"`
	To   *int `pulumi:"to,optional"`
}

// RulesetRuleActionParametersFromList is of the official schema.
type RulesetRuleActionParametersFromList struct {
	Key  *string `pulumi:"key,optional"`
	Name *string `pulumi:"name,optional"`
}

// RulesetRuleActionParametersFromValue is of the official schema.
type RulesetRuleActionParametersFromValue struct {
	PreserveQueryString *bool                                          `pulumi:"preserveQueryString,optional"`
	StatusCode          *int                                           `pulumi:"statusCode,optional"`
	TargetURL           *RulesetRuleActionParametersFromValueTargetURL `pulumi:"targetUrl,optional"`
}

// RulesetRuleActionParametersFromValueTargetURL is of the official schema.
type RulesetRuleActionParametersFromValueTargetURL struct {
	Expression *string `pulumi:"expression,optional"`
	Value      *string `pulumi:"value,optional"`
}

// RulesetRuleActionParametersHeader is of the official schema.
type RulesetRuleActionParametersHeader struct {
	Expression *string `pulumi:"expression,optional"`
	Name       *string `pulumi:"name,optional"`
	Operation  *string `pulumi:"operation,optional"`
	Value      *string `pulumi:"value,optional"`
}

// RulesetRuleActionParametersMatchedData is of the official schema.
type RulesetRuleActionParametersMatchedData struct {
	PublicKey *string `pulumi:"publicKey,optional"`
}

// RulesetRuleActionParametersOrigin is of the official schema.
type RulesetRuleActionParametersOrigin struct {
	Host *string `pulumi:"host,optional"`
	Port *int    `pulumi:"port,optional"`
}

// RulesetRuleActionParametersOverrides is of the official schema.
type RulesetRuleActionParametersOverrides struct {
	Action           *string                                        `pulumi:"action,optional"`
	Categories       []RulesetRuleActionParametersOverridesCategory `pulumi:"categories,optional"`
	Enabled          *bool                                          `pulumi:"enabled,optional"`
	Rules            []RulesetRuleActionParametersOverridesRule     `pulumi:"rules,optional"`
	SensitivityLevel *string                                        `pulumi:"sensitivityLevel,optional"`
}

// RulesetRuleActionParametersOverridesCategory is of the official schema.
type RulesetRuleActionParametersOverridesCategory struct {
	Action   *string `pulumi:"action,optional"`
	Category *string `pulumi:"category,optional"`
	Enabled  *bool   `pulumi:"enabled,optional"`
}

// RulesetRuleActionParametersOverridesRule is of the official schema.
type RulesetRuleActionParametersOverridesRule struct {
	Action           *string `pulumi:"action,optional"`
	Enabled          *bool   `pulumi:"enabled,optional"`
	ID               *string `pulumi:"id,optional"`
	ScoreThreshold   *int    `pulumi:"scoreThreshold,optional"`
	SensitivityLevel *string `pulumi:"sensitivityLevel,optional"`
}

// RulesetRuleActionParametersResponse is of the official schema.
type RulesetRuleActionParametersResponse struct {
	Content     *string `pulumi:"content,optional"`
	ContentType *string `pulumi:"contentType,optional"`
	StatusCode  *int    `pulumi:"statusCode,optional"`
}

// RulesetRuleActionParametersServeStale is of the official schema.
type RulesetRuleActionParametersServeStale struct {
	DisableStaleWhileUpdating *bool `pulumi:"disableStaleWhileUpdating,optional"`
}

// RulesetRuleActionParametersSNI is of the official schema.
type RulesetRuleActionParametersSNI struct {
	Value *string `pulumi:"value,optional"`
}

// RulesetRuleActionParametersURI is of the official schema.
type RulesetRuleActionParametersURI struct {
	Origin *bool                                `pulumi:"origin,optional"`
	Path   *RulesetRuleActionParametersURIPath  `pulumi:"path,optional"`
	Query  *RulesetRuleActionParametersURIQuery `pulumi:"query,optional"`
}

// RulesetRuleActionParametersURIPath is of the official schema.
type RulesetRuleActionParametersURIPath struct {
	Expression *string `pulumi:"expression,optional"`
	Value      *string `pulumi:"value,optional"`
}

// RulesetRuleActionParametersURIQuery is of the official schema.
type RulesetRuleActionParametersURIQuery struct {
	Expression *string `pulumi:"expression,optional"`
	Value      *string `pulumi:"value,optional"`
}

// RulesetRuleExposedCredentialCheck is of the official schema.
type RulesetRuleExposedCredentialCheck struct {
	PasswordExpression *string `pulumi:"passwordExpression,optional"`
	UsernameExpression *string `pulumi:"usernameExpression,optional"`
}

// RulesetRuleLogging is of the official schema.
type RulesetRuleLogging struct {
	Enabled *bool `pulumi:"enabled,optional"`
}

// RulesetRuleRatelimit is of the official schema.
type RulesetRuleRatelimit struct {
	Characteristics         []string `pulumi:"characteristics,optional"`
	CountingExpression      *string  `pulumi:"countingExpression,optional"`
	MitigationTimeout       *int     `pulumi:"mitigationTimeout,optional"`
	Period                  *int     `pulumi:"period,optional"`
	RequestsPerPeriod       *int     `pulumi:"requestsPerPeriod,optional"`
	RequestsToOrigin        *bool    `pulumi:"requestsToOrigin,optional"`
	ScorePerPeriod          *int     `pulumi:"scorePerPeriod,optional"`
	ScoreResponseHeaderName *string  `pulumi:"scoreResponseHeaderName,optional"`
}

// Annotate names the type as the official plugin does.
func (x *RulesetRule) Annotate(a infer.Annotator) { a.SetToken("index/RulesetRule", "RulesetRule") }

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParameters) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParameters", "RulesetRuleActionParameters")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersAlgorithm) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersAlgorithm", "RulesetRuleActionParametersAlgorithm")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersAutominify) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersAutominify", "RulesetRuleActionParametersAutominify")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersBrowserTTL) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersBrowserTtl", "RulesetRuleActionParametersBrowserTtl")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKey) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKey", "RulesetRuleActionParametersCacheKey")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKey) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKey", "RulesetRuleActionParametersCacheKeyCustomKey")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKeyCookie) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKeyCookie", "RulesetRuleActionParametersCacheKeyCustomKeyCookie")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKeyHeader) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKeyHeader", "RulesetRuleActionParametersCacheKeyCustomKeyHeader")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKeyHost) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKeyHost", "RulesetRuleActionParametersCacheKeyCustomKeyHost")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKeyQueryString) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKeyQueryString", "RulesetRuleActionParametersCacheKeyCustomKeyQueryString")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheKeyCustomKeyUser) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheKeyCustomKeyUser", "RulesetRuleActionParametersCacheKeyCustomKeyUser")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersCacheReserve) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersCacheReserve", "RulesetRuleActionParametersCacheReserve")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersEdgeTTL) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersEdgeTtl", "RulesetRuleActionParametersEdgeTtl")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersEdgeTTLStatusCodeTTL) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersEdgeTtlStatusCodeTtl", "RulesetRuleActionParametersEdgeTtlStatusCodeTtl")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersEdgeTTLStatusCodeTTLStatusCodeRange) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersEdgeTtlStatusCodeTtlStatusCodeRange", "RulesetRuleActionParametersEdgeTtlStatusCodeTtlStatusCodeRange")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersFromList) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersFromList", "RulesetRuleActionParametersFromList")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersFromValue) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersFromValue", "RulesetRuleActionParametersFromValue")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersFromValueTargetURL) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersFromValueTargetUrl", "RulesetRuleActionParametersFromValueTargetUrl")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersHeader) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersHeader", "RulesetRuleActionParametersHeader")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersMatchedData) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersMatchedData", "RulesetRuleActionParametersMatchedData")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersOrigin) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersOrigin", "RulesetRuleActionParametersOrigin")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersOverrides) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersOverrides", "RulesetRuleActionParametersOverrides")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersOverridesCategory) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersOverridesCategory", "RulesetRuleActionParametersOverridesCategory")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersOverridesRule) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersOverridesRule", "RulesetRuleActionParametersOverridesRule")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersResponse) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersResponse", "RulesetRuleActionParametersResponse")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersServeStale) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersServeStale", "RulesetRuleActionParametersServeStale")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersSNI) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersSni", "RulesetRuleActionParametersSni")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersURI) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersUri", "RulesetRuleActionParametersUri")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersURIPath) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersUriPath", "RulesetRuleActionParametersUriPath")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleActionParametersURIQuery) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleActionParametersUriQuery", "RulesetRuleActionParametersUriQuery")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleExposedCredentialCheck) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleExposedCredentialCheck", "RulesetRuleExposedCredentialCheck")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleLogging) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleLogging", "RulesetRuleLogging")
}

// Annotate names the type as the official plugin does.
func (x *RulesetRuleRatelimit) Annotate(a infer.Annotator) {
	a.SetToken("index/RulesetRuleRatelimit", "RulesetRuleRatelimit")
}
