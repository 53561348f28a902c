package bringup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"havre/services/render/picture"
)

// Edge is what is needed to fetch a picture as a reader's mail client does.
type Edge struct {
	// Domain is the public name of the render service.
	Domain string
	// Addresses are the public addresses of the edge nodes.
	Addresses []string
	// Authority is the certificate, in PEM, that the edge's certificates are signed with.
	Authority []byte
}

// proofPatience bounds how long a picture may take to be served after pulumi has ended: the edge's pods are ready by then, so it is for the way only.
const proofPatience = 60 * time.Second

// PictureURL is the picture of one reader at a host, which is a name or an address.
func PictureURL(host, reader string) string {
	query := url.Values{"campaign": {"spring"}, "reader": {"r-1001"}, "name": {reader}, "offer": {"Two for one"}, "price": {"19.90 EUR"}}
	return (&url.URL{Scheme: "https", Host: host, Path: "/v1/picture.png", RawQuery: query.Encode()}).String()
}

// Prove fetches a reader's picture from every edge node over TLS, under the public name and under the node's address, and checks that each is a PNG
// that shows the reader's name.
func (e Edge) Prove(ctx context.Context, reader string) error {
	if len(e.Addresses) == 0 {
		return errors.New("picture: the stack has no edge node to fetch it from")
	}
	var errs []error
	for _, address := range e.Addresses {
		for _, host := range []string{e.Domain, address} {
			if err := e.prove(ctx, address, host, reader); err != nil {
				errs = append(errs, fmt.Errorf("picture from edge node %s as %s: %w", address, host, err))
			}
		}
	}
	return errors.Join(errs...)
}

// prove tries until the picture comes or patience ends.
func (e Edge) prove(ctx context.Context, address, host, reader string) error {
	ctx, cancel := context.WithTimeout(ctx, proofPatience)
	defer cancel()
	for {
		err := e.Fetch(ctx, address, host, reader)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// StoredURL is the picture of a reader whose name the service looks up itself, by the id.
func StoredURL(host, id string) string {
	query := url.Values{"campaign": {"spring"}, "reader": {id}, "offer": {"Two for one"}, "price": {"19.90 EUR"}}
	return (&url.URL{Scheme: "https", Host: host, Path: "/v1/picture.png", RawQuery: query.Encode()}).String()
}

// Fetch gets one picture from the edge node at an address, asking for host, and checks it. Only the edge's own authority is trusted.
func (e Edge) Fetch(ctx context.Context, address, host, reader string) error {
	return e.fetch(ctx, address, host, PictureURL(host, reader), reader)
}

// FetchStored is Fetch for a reader whose name is in the stack's database.
func (e Edge) FetchStored(ctx context.Context, address, host, id, name string) error {
	return e.fetch(ctx, address, host, StoredURL(host, id), name)
}

// fetch gets one picture and checks that it shows a name.
func (e Edge) fetch(ctx context.Context, address, host, from, name string) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(e.Authority) {
		return errors.New("the authority is no certificate in PEM; see `pulumi stack output edgeAuthority`")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address, "443"))
		},
		DisableKeepAlives: true,
	}
	if host == address {
		// The certificate holds names, not addresses, so that a new node does not change it: a client that asks by address checks it against the name.
		transport.TLSClientConfig.ServerName = e.Domain
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "image/png" {
		return fmt.Errorf("answer %s, %s: %.200q", response.Status, response.Header.Get("Content-Type"), body)
	}
	drawn, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("not a PNG: %w", err)
	}
	return picture.Shows(drawn, name)
}
