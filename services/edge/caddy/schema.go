package caddy

import (
	"encoding/json"
	"time"
)

// duration is written as Caddy reads it best: "1m30s".
type duration time.Duration

// MarshalJSON writes the duration as a string.
func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

type config struct {
	Admin   admin    `json:"admin"`
	Logging logging  `json:"logging"`
	Storage *storage `json:"storage,omitempty"`
	Apps    struct {
		HTTP httpApp `json:"http"`
		TLS  tlsApp  `json:"tls"`
	} `json:"apps"`
}

type admin struct {
	Disabled bool        `json:"disabled"`
	Config   adminConfig `json:"config"`
}

type adminConfig struct {
	Persist bool `json:"persist"`
}

type logging struct {
	Logs map[string]logger `json:"logs"`
}

type logger struct {
	Writer  output  `json:"writer"`
	Encoder encoder `json:"encoder"`
	Level   string  `json:"level"`
}

type encoder struct {
	Format string                 `json:"format"`
	Wrap   format                 `json:"wrap"`
	Fields map[string]queryFilter `json:"fields"`
}

type queryFilter struct {
	Filter  string        `json:"filter"`
	Actions []queryAction `json:"actions"`
}

type queryAction struct {
	Type      string `json:"type"`
	Parameter string `json:"parameter"`
	Value     string `json:"value"`
}

type output struct {
	Output string `json:"output"`
}

type format struct {
	Format string `json:"format"`
}

type storage struct {
	Module    string `json:"module"`
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region"`
	Bucket    string `json:"bucket"`
	Prefix    string `json:"prefix"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

type httpApp struct {
	HTTPPort      int               `json:"http_port"`
	HTTPSPort     int               `json:"https_port"`
	ShutdownDelay duration          `json:"shutdown_delay,omitempty"`
	GracePeriod   duration          `json:"grace_period"`
	Metrics       *struct{}         `json:"metrics"`
	Servers       map[string]server `json:"servers"`
}

type server struct {
	Listen                []string           `json:"listen"`
	ListenerWrappers      []wrapper          `json:"listener_wrappers,omitempty"`
	ReadTimeout           duration           `json:"read_timeout"`
	ReadHeaderTimeout     duration           `json:"read_header_timeout"`
	WriteTimeout          duration           `json:"write_timeout"`
	IdleTimeout           duration           `json:"idle_timeout"`
	MaxHeaderBytes        int                `json:"max_header_bytes,omitempty"`
	Routes                []route            `json:"routes"`
	Errors                *errorRoutes       `json:"errors,omitempty"`
	TLSConnectionPolicies []connectionPolicy `json:"tls_connection_policies,omitempty"`
	AutomaticHTTPS        *automaticHTTPS    `json:"automatic_https,omitempty"`
	TrustedProxies        *proxies           `json:"trusted_proxies,omitempty"`
	ClientIPHeaders       []string           `json:"client_ip_headers,omitempty"`
	Logs                  *struct{}          `json:"logs,omitempty"`
	Protocols             []string           `json:"protocols"`
}

type wrapper struct {
	Wrapper string `json:"wrapper"`
}

type errorRoutes struct {
	Routes []route `json:"routes"`
}

type automaticHTTPS struct {
	Disable          bool `json:"disable,omitempty"`
	DisableRedirects bool `json:"disable_redirects,omitempty"`
}

type connectionPolicy struct {
	DefaultSNI  string `json:"default_sni,omitempty"`
	FallbackSNI string `json:"fallback_sni,omitempty"`
}

type proxies struct {
	Source string   `json:"source"`
	Ranges []string `json:"ranges"`
}

type route struct {
	Match    []match `json:"match,omitempty"`
	Handle   []any   `json:"handle"`
	Terminal bool    `json:"terminal,omitempty"`
}

type match struct {
	Host   []string `json:"host,omitempty"`
	Method []string `json:"method,omitempty"`
	Path   []string `json:"path,omitempty"`

	Vars         map[string][]string     `json:"vars,omitempty"`
	HeaderRegexp map[string]headerRegexp `json:"header_regexp,omitempty"`
}

type headerRegexp struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern"`
}

type staticResponse struct {
	Handler    string              `json:"handler"`
	StatusCode string              `json:"status_code"`
	Headers    map[string][]string `json:"headers,omitempty"`
	Body       string              `json:"body,omitempty"`
}

type metricsHandler struct {
	Handler string `json:"handler"`
}

type subroute struct {
	Handler string  `json:"handler"`
	Routes  []route `json:"routes"`
}

type headers struct {
	Handler  string          `json:"handler"`
	Response responseHeaders `json:"response"`
}

type responseHeaders struct {
	Deferred bool                `json:"deferred,omitempty"`
	Set      map[string][]string `json:"set"`
	Delete   []string            `json:"delete,omitempty"`
}

type rewrite struct {
	Handler string `json:"handler"`
	URI     string `json:"uri"`
}

type proxyHeaders struct {
	Request requestHeaders `json:"request"`
}

type requestHeaders struct {
	Set    map[string][]string `json:"set"`
	Delete []string            `json:"delete"`
}

type reverseProxy struct {
	Handler          string           `json:"handler"`
	Headers          proxyHeaders     `json:"headers"`
	DynamicUpstreams dynamicUpstreams `json:"dynamic_upstreams"`
	Upstreams        []upstream       `json:"upstreams"`
	LoadBalancing    loadBalancing    `json:"load_balancing"`
	HealthChecks     healthChecks     `json:"health_checks"`
	Transport        transport        `json:"transport"`
}

// dynamicUpstreams are those of infra/tools/modules/caddy/pods.
type dynamicUpstreams struct {
	Source  string   `json:"source"`
	Name    string   `json:"name"`
	Port    string   `json:"port"`
	Refresh duration `json:"refresh"`
	Grace   duration `json:"grace"`
}

type upstream struct {
	Dial string `json:"dial"`
}

type loadBalancing struct {
	SelectionPolicy selection `json:"selection_policy"`
	Retries         int       `json:"retries"`
	TryDuration     duration  `json:"try_duration"`
	TryInterval     duration  `json:"try_interval"`
	RetryMatch      []match   `json:"retry_match"`
}

type selection struct {
	Policy string `json:"policy"`
}

type healthChecks struct {
	Passive passive `json:"passive"`
}

type passive struct {
	FailDuration duration `json:"fail_duration"`
	MaxFails     int      `json:"max_fails"`
}

type transport struct {
	Protocol              string    `json:"protocol"`
	DialTimeout           duration  `json:"dial_timeout"`
	ResponseHeaderTimeout duration  `json:"response_header_timeout"`
	Compression           bool      `json:"compression"`
	KeepAlive             keepAlive `json:"keep_alive"`
}

type keepAlive struct {
	Enabled             bool     `json:"enabled"`
	IdleTimeout         duration `json:"idle_timeout"`
	MaxIdleConnsPerHost int      `json:"max_idle_conns_per_host"`
}

type tlsApp struct {
	Certificates *certificates `json:"certificates,omitempty"`
	Automation   *automation   `json:"automation,omitempty"`
}

type certificates struct {
	LoadFiles []certificateFile `json:"load_files"`
}

type certificateFile struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

type automation struct {
	Policies []policy  `json:"policies"`
	OnDemand *onDemand `json:"on_demand,omitempty"`
}

type onDemand struct {
	Permission permission `json:"permission"`
}

type permission struct {
	Module   string `json:"module"`
	Endpoint string `json:"endpoint"`
}

type policy struct {
	Subjects []string `json:"subjects,omitempty"`
	Issuers  []issuer `json:"issuers"`
	OnDemand bool     `json:"on_demand,omitempty"`
}

type issuer struct {
	Module       string     `json:"module"`
	Email        string     `json:"email"`
	CA           string     `json:"ca,omitempty"`
	TrustedRoots []string   `json:"trusted_roots_pem_files,omitempty"`
	Challenges   challenges `json:"challenges"`
}

type challenges struct {
	TLSALPN disabled `json:"tls-alpn"`
}

type disabled struct {
	Disabled bool `json:"disabled"`
}
