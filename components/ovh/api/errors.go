package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind sorts errors by what they mean for whoever must go on.
type Kind int

// The kinds.
const (
	Refused      Kind = iota // OVH looked at it and said no; nothing happened
	NotSent                  // it never left, nothing happened
	NotFound                 // 404
	Expired                  // 460: the service is suspended for its expiry, or gone
	Conflict                 // 409: another operation holds the service
	Unauthorized             // the credential is unknown, expired or lacks the route
	ClockSkew                // the signature's timestamp was wrong; nothing happened
	RateLimited              // 429; nothing happened
	ServerFault              // 5xx: it may have happened
	NoAnswer                 // no answer, or one that cannot be read: it may have happened
)

// Error is a failed call.
type Error struct {
	Method  string
	Route   string // path as sent
	Kind    Kind
	Status  int // 0 without an answer
	Class   string
	Message string
	QueryID string // give it to OVH's support
	Missing string // IAM action that was missing
	Cause   error
}

// Unwrap gives the transport's error.
func (e *Error) Unwrap() error { return e.Cause }

// Error says which call, what came back and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, strings.SplitN(e.Route, "?", 2)[0])
	switch e.Kind {
	case NotSent:
		fmt.Fprintf(&b, "not sent: %v", e.Cause)
	case NoAnswer:
		fmt.Fprintf(&b, "no usable answer, it may have had its effect: %v", e.Cause)
	case Unauthorized:
		fmt.Fprintf(&b, "the credential may not do this (%s)", e.Message)
		if e.Missing != "" {
			fmt.Fprintf(&b, "; missing IAM action %s", e.Missing)
		}
		fmt.Fprintf(&b, "; grant the access rule %s %s to the consumer key, or make a new key when it expired (havre ovh rules prints all that is needed)", e.Method, route(e.Route))
	case Expired:
		fmt.Fprintf(&b, "the service is expired (460): renew it in OVH's manager, or give the node up")
	default:
		fmt.Fprintf(&b, "%d", e.Status)
		if e.Class != "" {
			fmt.Fprintf(&b, " %s", e.Class)
		}
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.QueryID != "" {
		fmt.Fprintf(&b, " (query id %s)", e.QueryID)
	}
	return b.String()
}

func answer(method, path string, resp *http.Response, body []byte) error {
	e := &Error{Method: method, Route: path, Status: resp.StatusCode, QueryID: resp.Header.Get("X-Ovh-QueryID")}
	var text struct {
		Class     string            `json:"class"`
		Message   string            `json:"message"`
		ErrorCode string            `json:"errorCode"`
		Details   map[string]string `json:"details"`
	}
	if json.Unmarshal(body, &text) != nil || text.Message == "" {
		text.Message = strings.TrimSpace(string(body))
		if len(text.Message) > 200 {
			text.Message = text.Message[:200] + "…"
		}
	}
	e.Class, e.Message = text.Class, text.Message
	e.Missing = text.Details["unauthorizedActionsByIAM"]
	lower := strings.ToLower(text.Message + " " + text.ErrorCode)
	switch {
	case e.Status == http.StatusTooManyRequests:
		e.Kind = RateLimited
	case e.Status >= 500 && e.Status != http.StatusNotImplemented:
		e.Kind = ServerFault
	case e.Status == http.StatusNotFound:
		e.Kind = NotFound
	case e.Status == 460:
		e.Kind = Expired
	case e.Status == http.StatusConflict:
		e.Kind = Conflict
	case (e.Status == http.StatusBadRequest || e.Status == http.StatusForbidden) && (strings.Contains(lower, "timestamp") || strings.Contains(lower, "out of time") || strings.Contains(lower, "invalid signature") || strings.Contains(lower, "invalid_signature")):
		e.Kind = ClockSkew
	case e.Status == http.StatusUnauthorized:
		e.Kind = Unauthorized
	case e.Status == http.StatusForbidden && (strings.Contains(lower, "credential") || strings.Contains(lower, "not been granted") || strings.Contains(lower, "application key") || e.Missing != "" || strings.Contains(lower, "not granted")):
		e.Kind = Unauthorized
	default:
		e.Kind = Refused
	}
	return e
}

func kind(err error) (Kind, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind, true
	}
	return 0, false
}

// IsNotFound says whether OVH does not know the object.
func IsNotFound(err error) bool { k, ok := kind(err); return ok && k == NotFound }

// IsExpired says whether the service exists but is suspended (460).
func IsExpired(err error) bool { k, ok := kind(err); return ok && k == Expired }

// IsUnauthorized says whether the credential is at fault: waiting will not help.
func IsUnauthorized(err error) bool { k, ok := kind(err); return ok && k == Unauthorized }

// IsConflict says whether another operation holds the service.
func IsConflict(err error) bool { k, ok := kind(err); return ok && k == Conflict }

// IsRefused says whether OVH looked at it and said no: nothing happened, and the same may be taken once the world around it has changed.
func IsRefused(err error) bool { k, ok := kind(err); return ok && k == Refused }

// IsPassing says whether the same question may be answered later.
func IsPassing(err error) bool {
	k, ok := kind(err)
	return ok && (k == NoAnswer || k == ServerFault || k == RateLimited || k == ClockSkew || k == NotSent)
}

// Executed says whether a failed call may have had its effect. An error that is not ours counts as "may have".
func Executed(err error) bool {
	if err == nil {
		return true
	}
	k, ok := kind(err)
	return !ok || k == NoAnswer || k == ServerFault
}
