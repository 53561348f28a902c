package ansible

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	program       = "ansible-playbook"
	inventoryFile = "inventory.json"
	playbookFile  = "site.json"
	configFile    = "ansible.cfg"
)

// Package is Debian's package with the program.
const Package = "ansible-core"

// Version finds the program and asks it; the error is exec.ErrNotFound where there is none.
func Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

// Recap is what Ansible says of all hosts together, as its last lines do of each.
type Recap struct{ OK, Changed, Unreachable, Failed, Skipped int }

// Run runs the playbook of a folder that Write has made on all hosts at once, and waits for it. Each run opens its connections anew, as one that somebody starts
// an hour after the last would; within the run they stay open.
func Run(ctx context.Context, folder string) (Recap, error) {
	// A socket's path has 107 bytes at most, and a checkout may lie deep.
	control, err := os.MkdirTemp("", "havre-")
	if err != nil {
		return Recap{}, fmt.Errorf("ansible: %w", err)
	}
	command := exec.CommandContext(ctx, program, "--inventory", inventoryFile, playbookFile)
	command.Dir = folder
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "ANSIBLE_CONFIG="+filepath.Join(folder, configFile), "ANSIBLE_HOME="+filepath.Join(folder, "home"), "ANSIBLE_SSH_CONTROL_PATH_DIR="+control)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	err = command.Run()
	recap, recapErr := parse(said.String())
	err = errors.Join(err, recapErr, os.RemoveAll(control))
	if err == nil && recap.Failed+recap.Unreachable > 0 {
		err = fmt.Errorf("%d tasks failed, %d hosts were not reached", recap.Failed, recap.Unreachable)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return recap, fmt.Errorf("ansible: %w; it said last:\n%s", err, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
	return recap, nil
}

// configuration is ansible.cfg: what makes Ansible fast, and nothing of the machine's own.
func configuration(forks int) string {
	return fmt.Sprintf(`[defaults]
forks = %d
gathering = explicit
host_key_checking = True
retry_files_enabled = False
nocolor = True

[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
`, forks)
}

var recapLine = regexp.MustCompile(`(?m)^\S+ +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+) +skipped=(\d+) `)

// parse adds up the lines of PLAY RECAP.
func parse(said string) (Recap, error) {
	_, lines, found := strings.Cut(said, "\nPLAY RECAP ")
	hosts := recapLine.FindAllStringSubmatch(lines, -1)
	if !found || len(hosts) == 0 {
		return Recap{}, errors.New("it did not come to its recap")
	}
	var sum Recap
	for _, host := range hosts {
		for i, into := range []*int{&sum.OK, &sum.Changed, &sum.Unreachable, &sum.Failed, &sum.Skipped} {
			n, err := strconv.Atoi(host[i+1])
			if err != nil {
				return Recap{}, fmt.Errorf("recap: %w", err)
			}
			*into += n
		}
	}
	return sum, nil
}
