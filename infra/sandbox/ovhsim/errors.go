package ovhsim

import (
	"fmt"
	"net/http"
	"strings"
)

// apiError is a refusal in OVH's words. Calls refused at the door (credentials, signature) carry errorCode and httpCode, refusals of a product a class.
type apiError struct {
	status  int
	class   string
	code    string
	message string
	details map[string]string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

// body is the JSON of the refusal.
func (e *apiError) body() object {
	out := object{"message": e.message}
	if e.class != "" {
		out["class"] = e.class
	}
	if e.code != "" {
		out["errorCode"] = e.code
		out["httpCode"] = fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	}
	if len(e.details) > 0 {
		out["details"] = e.details
	}
	return out
}

func refusal(status int, class, format string, args ...any) error {
	return &apiError{status: status, class: class, message: fmt.Sprintf(format, args...)}
}

func badRequest(class, format string, args ...any) error {
	return refusal(http.StatusBadRequest, class, format, args...)
}

func notFound(format string, args ...any) error {
	return refusal(http.StatusNotFound, "Client::NotFound", format, args...)
}

func forbidden(format string, args ...any) error {
	return refusal(http.StatusForbidden, "Client::Forbidden", format, args...)
}

func internal(format string, args ...any) error {
	return refusal(http.StatusInternalServerError, "Server::InternalServerError", format, args...)
}

func noObject(key string, value any) error {
	return notFound("The requested object (%s = %v) does not exist", key, value)
}

// expired is what a suspended service answers to everything.
func expired() error { return refusal(460, "Client::ServiceExpired", "This service is expired") }

// wildcard says whether text fits a pattern in which * stands for any run of characters.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
