package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/cloudflare/cloudflare-go"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Config is the provider's configuration. What is not given comes from the environment; that is read here and not at a default, so that a token from
// the environment never gets into a state.
type Config struct {
	APIToken          string `pulumi:"apiToken,optional" provider:"secret"`
	APIKey            string `pulumi:"apiKey,optional" provider:"secret"`
	APIUserServiceKey string `pulumi:"apiUserServiceKey,optional" provider:"secret"`
	Email             string `pulumi:"email,optional"`
	APIHostname       string `pulumi:"apiHostname,optional"`
	APIBasePath       string `pulumi:"apiBasePath,optional"`
	// APIClientLogging is taken and not used: the client would log the token with each request.
	APIClientLogging        bool   `pulumi:"apiClientLogging,optional"`
	MaxBackoff              int    `pulumi:"maxBackoff,optional"`
	MinBackoff              int    `pulumi:"minBackoff,optional"`
	Retries                 int    `pulumi:"retries,optional"`
	RPS                     int    `pulumi:"rps,optional"`
	UserAgentOperatorSuffix string `pulumi:"userAgentOperatorSuffix,optional"`

	client *cloudflare.API
}

var (
	_ infer.Annotated       = (*Config)(nil)
	_ infer.CustomConfigure = (*Config)(nil)
)

// Annotate describes the configuration.
func (c *Config) Annotate(a infer.Annotator) {
	a.Describe(&c.APIToken, "The API Token for operations; CLOUDFLARE_API_TOKEN in the environment.")
	a.Describe(&c.APIKey, "The API key for operations, with email; CLOUDFLARE_API_KEY in the environment.")
	a.Describe(&c.APIUserServiceKey, "A special key for a restricted set of endpoints; CLOUDFLARE_API_USER_SERVICE_KEY in the environment.")
	a.Describe(&c.Email, "A registered Cloudflare email address; CLOUDFLARE_EMAIL in the environment.")
	a.Describe(&c.APIHostname, "The hostname of the API; CLOUDFLARE_API_HOSTNAME in the environment.")
	a.Describe(&c.APIBasePath, "The base path of the API; CLOUDFLARE_API_BASE_PATH in the environment.")
	a.Describe(&c.MaxBackoff, "Maximum pause in seconds after failed API calls; CLOUDFLARE_MAX_BACKOFF in the environment, 30 otherwise.")
	a.Describe(&c.MinBackoff, "Minimum pause in seconds after failed API calls; CLOUDFLARE_MIN_BACKOFF in the environment, 1 otherwise.")
	a.Describe(&c.Retries, "How often a failed API call is tried again; CLOUDFLARE_RETRIES in the environment, 3 otherwise.")
	a.Describe(&c.RPS, "Calls a second at most; CLOUDFLARE_RPS in the environment, 4 otherwise.")
}

// The official plugin's defaults.
const (
	defaultHostname = "api.cloudflare.com"
	defaultBasePath = "/client/v4"
)

// httpClient is what calls go through; a test replaces it, so that it can trust its own server.
var httpClient = http.DefaultClient

// Configure makes the client.
func (c *Config) Configure(context.Context) error {
	token, key, service := or(c.APIToken, "CLOUDFLARE_API_TOKEN"), or(c.APIKey, "CLOUDFLARE_API_KEY"), or(c.APIUserServiceKey, "CLOUDFLARE_API_USER_SERVICE_KEY")
	given := 0
	for _, credential := range []string{token, key, service} {
		if credential != "" {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("must provide exactly one of apiToken, apiKey and apiUserServiceKey, found %d; set cloudflare:apiToken or CLOUDFLARE_API_TOKEN", given)
	}
	var errs []error
	number := func(value int, name string, otherwise int) int {
		if value != 0 {
			return value
		}
		if os.Getenv(name) == "" {
			return otherwise
		}
		parsed, err := strconv.Atoi(os.Getenv(name))
		if err != nil || parsed < 0 {
			errs = append(errs, fmt.Errorf("%s is %q; wanted a whole number", name, os.Getenv(name)))
		}
		return parsed
	}
	host, path := or(c.APIHostname, "CLOUDFLARE_API_HOSTNAME"), or(c.APIBasePath, "CLOUDFLARE_API_BASE_PATH")
	if host == "" {
		host = defaultHostname
	}
	if path == "" {
		path = defaultBasePath
	}
	options := []cloudflare.Option{
		cloudflare.BaseURL("https://" + host + path),
		cloudflare.HTTPClient(httpClient),
		cloudflare.UsingRateLimit(float64(number(c.RPS, "CLOUDFLARE_RPS", 4))),
		cloudflare.UsingRetryPolicy(number(c.Retries, "CLOUDFLARE_RETRIES", 3), number(c.MinBackoff, "CLOUDFLARE_MIN_BACKOFF", 1), number(c.MaxBackoff, "CLOUDFLARE_MAX_BACKOFF", 30)),
		cloudflare.UserAgent(strings.TrimSpace("pulumi-resource-cloudflare/" + Version + " " + c.UserAgentOperatorSuffix)),
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var err error
	switch {
	case token != "":
		c.client, err = cloudflare.NewWithAPIToken(token, options...)
	case key != "":
		c.client, err = cloudflare.New(key, or(c.Email, "CLOUDFLARE_EMAIL"), options...)
	default:
		c.client, err = cloudflare.NewWithUserServiceKey(service, options...)
	}
	if err != nil {
		return fmt.Errorf("cloudflare client: %w", err)
	}
	return nil
}

// api returns the configured client.
func api(ctx context.Context) *cloudflare.API { return infer.GetConfig[*Config](ctx).client }

func or(value, variable string) string {
	if value != "" {
		return value
	}
	return os.Getenv(variable)
}
