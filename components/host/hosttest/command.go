package hosttest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The types of what is done over SSH.
const (
	CommandToken = "command:remote:Command"
	CopyToken    = "command:remote:CopyToRemote"
)

// The names of pulumi-command's schema, version 1.1.3.
var (
	commandInputs    = []string{"addPreviousOutputInEnv", "connection", "create", "delete", "environment", "logging", "stdin", "triggers", "update"}
	connectionInputs = []string{
		"agentSocketPath", "dialErrorLimit", "host", "hostKey", "password", "perDialTimeout", "port", "privateKey", "privateKeyPassword", "proxy", "user",
	}
	copyInputs = []string{"connection", "remotePath", "source", "triggers"}
	loggings   = []string{"none", "stderr", "stdout", "stdoutAndStderr"}
)

// checkCommand holds each command to the schema and to the house's rules: a pinned host, secrets that are secret, nothing logged that may hold one.
func checkCommand(r Registration) error {
	errs := []error{checkConnection(r)}
	logging := r.Text("logging")
	if r.Value("logging").IsNull() {
		logging = "stdoutAndStderr" // the plugin's own choice
	}
	if !slices.Contains(loggings, logging) {
		errs = append(errs, fmt.Errorf("logging %q is not one of %s", logging, strings.Join(loggings, " ")))
	}
	if stdin := r.Value("stdin"); !stdin.IsNull() {
		if !r.Secret("stdin") && !stdin.IsComputed() {
			errs = append(errs, errors.New("its standard input is not secret"))
		}
		if logging != "none" {
			errs = append(errs, fmt.Errorf("it takes a secret on standard input and logs %s", logging))
		}
	}
	if slices.Contains(r.SecretOutputs, "stdout") && logging != "none" {
		errs = append(errs, fmt.Errorf("its output is secret and it logs %s", logging))
	}
	for _, key := range []string{"create", "update", "delete"} {
		if r.Secret(key) {
			errs = append(errs, fmt.Errorf("its %s is secret; secrets go to standard input, scripts are read in previews", key))
		}
	}
	return errors.Join(errs...)
}

// checkConnection wants it secret, whole and with a pinned host.
func checkConnection(r Registration) error {
	var errs []error
	connection := r.Value("connection")
	switch {
	case !r.Secret("connection") && !connection.IsComputed():
		errs = append(errs, errors.New("its connection is not secret"))
	case connection.IsObject():
		for _, key := range connection.ObjectValue().StableKeys() {
			if !slices.Contains(connectionInputs, string(key)) {
				errs = append(errs, fmt.Errorf("a connection has no %s; it takes %s", key, strings.Join(connectionInputs, " ")))
			}
		}
		for _, key := range []string{"host", "hostKey", "privateKey"} {
			if v := r.Value("connection." + key); v.IsNull() {
				errs = append(errs, fmt.Errorf("its connection lacks %s", key))
			}
		}
	}
	return errors.Join(errs...)
}

// checkCopy holds a copy to what the official plugin takes, which is less than its schema says: a path, and here one that is the same in every checkout.
func checkCopy(r Registration) error {
	errs := []error{checkConnection(r)}
	var from string
	switch source := r.Value("source"); {
	case source.IsAsset():
		from = source.AssetValue().Path
	case source.IsArchive():
		from = source.ArchiveValue().Path
	}
	if from == "" || path.IsAbs(from) {
		errs = append(errs, fmt.Errorf("its source %q is not a file or folder by a relative path", from))
	}
	return errors.Join(errs...)
}
