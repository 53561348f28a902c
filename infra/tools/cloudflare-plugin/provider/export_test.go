package provider

import "net/http"

// SetClient has calls go through a test's own client.
func SetClient(c *http.Client) (restore func()) {
	before := httpClient
	httpClient = c
	return func() { httpClient = before }
}
