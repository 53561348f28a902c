// Package drift changes an account behind Pulumi's back, and holds that the nightly look for drift names what was changed: the same command as the workflow's, with the real
// engine and plugins, against the simulators. Its test has the tag e2e and needs root, for the fake host listens on sshd's port.
package drift
