package ovhsim

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Rule is one access rule of a consumer key: a method and a path without version, in which * stands for anything.
type Rule struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// credential is the state of the one consumer key.
type credential struct {
	status  string // expired, pendingValidation, refused, validated
	rules   []Rule
	account string
}

func fullCredential() credential {
	c := credential{status: "validated", account: Account}
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		c.rules = append(c.rules, Rule{m, "/*"})
	}
	return c
}

// SetCredential changes what the consumer key may do: its status (validated, expired, refused, pendingValidation), its rules and the account behind it.
// Empty values leave things as they are.
func (s *Simulator) SetCredential(status, account string, rules []Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status != "" {
		s.credential.status = status
	}
	if account != "" {
		s.credential.account = account
	}
	if rules != nil {
		s.credential.rules = rules
	}
}

// Signature computes OVH's request signature. url is the whole URL as sent, with scheme, host, version and query; body is empty for none.
func Signature(secret, consumer, method, url, body string, timestamp int64) string {
	sum := sha1.Sum([]byte(strings.Join([]string{secret, consumer, method, url, body, strconv.FormatInt(timestamp, 10)}, "+")))
	return "$1$" + hex.EncodeToString(sum[:])
}

// authTime is the time GET /auth/time answers and signatures are held against.
func (s *Simulator) authTime() time.Time { return s.options.Clock().Add(s.st.Skew) }

// authenticate checks a signed request the way OVH does: key, consumer, time, signature, rules.
func (s *Simulator) authenticate(r *http.Request, path string, body []byte) error {
	door := func(status int, code, message string) error {
		return &apiError{status: status, code: code, message: message}
	}
	key := r.Header.Get("X-Ovh-Application")
	switch {
	case key == "":
		return door(http.StatusForbidden, "NOT_CREDENTIAL", "You must login first")
	case key != ApplicationKey:
		return door(http.StatusForbidden, "INVALID_KEY", "This application key is invalid")
	case r.Header.Get("X-Ovh-Consumer") != ConsumerKey, s.credential.status != "validated":
		return door(http.StatusForbidden, "INVALID_CREDENTIAL", "This credential is not valid")
	}
	stamp, err := strconv.ParseInt(r.Header.Get("X-Ovh-Timestamp"), 10, 64)
	if off := time.Duration(stamp-s.authTime().Unix()) * time.Second; err != nil || off.Abs() > s.options.ClockWindow {
		return queryOutOfTime()
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	want := Signature(ApplicationSecret, ConsumerKey, r.Method, scheme+"://"+r.Host+r.RequestURI, string(body), stamp)
	if subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get("X-Ovh-Signature"))) != 1 {
		return door(http.StatusBadRequest, "INVALID_SIGNATURE", "Invalid signature")
	}
	for _, rule := range s.credential.rules {
		if rule.Method == r.Method && wildcard(rule.Path, path) {
			return nil
		}
	}
	return door(http.StatusForbidden, "NOT_GRANTED_CALL", "This call has not been granted")
}

// queryOutOfTime refuses a timestamp too far from the server's clock. Nothing has been executed.
func queryOutOfTime() error {
	return &apiError{status: http.StatusBadRequest, code: "QUERY_TIME_OUT", message: "Query out of time"}
}

func (c *call) authTime() (any, error) { return c.s.authTime().Unix(), nil }

func (c *call) currentCredential() (any, error) {
	return object{
		"allowedIPs": nil, "applicationId": 1234, "creation": stamp(accountSince), "credentialId": 5678, "expiration": nil, "lastUse": stamp(c.now),
		"ovhSupport": false, "rules": c.s.credential.rules, "status": c.s.credential.status,
	}, nil
}

func (c *call) authDetails() (any, error) {
	return object{
		"account": c.s.credential.account, "allowedRoutes": c.s.credential.rules, "description": nil,
		"identities": []string{"urn:v1:eu:identity:account:" + c.s.credential.account}, "method": "account", "roles": []string{}, "user": nil,
	}, nil
}

// accountSince is when the simulated account was opened.
var accountSince = time.Date(2024, 1, 15, 9, 0, 0, 0, time.UTC)

// stamp renders a moment as OVH does.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05-07:00") }

// maybe renders a moment that may not have come.
func maybe(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}
