package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Major is the version of Debian 12. A simulated service may say another: no SQL of ours depends on it.
const Major = "15"

// packages are unpacked where the machine does not have them. JIT is off, so LLVM, which is larger than all the rest, need not be loaded.
var packages = []string{"postgresql-" + Major, "postgresql-client-" + Major, "libpq5"}

// Distribution is where PostgreSQL's programs are.
type Distribution struct {
	// Bin is the folder of postgres, initdb and pg_basebackup.
	Bin string
	// Libraries is a folder for the loader to look into as well; empty for the machine's own.
	Libraries string
}

// program is one program's path.
func (d Distribution) program(name string) string { return filepath.Join(d.Bin, name) }

// env is the environment of a program: nothing of the caller's, so that no PG… variable of an operator's shell has a say.
func (d Distribution) env(home string) []string {
	env := []string{"PATH=" + d.Bin + ":/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + home}
	if d.Libraries != "" {
		env = append(env, "LD_LIBRARY_PATH="+d.Libraries)
	}
	return env
}

// Find gives the machine's own PostgreSQL; false where it has none.
func Find() (Distribution, bool) {
	d := Distribution{Bin: "/usr/lib/postgresql/" + Major + "/bin"}
	for _, name := range []string{"postgres", "initdb", "pg_basebackup"} {
		if _, err := os.Stat(d.program(name)); err != nil {
			return Distribution{}, false
		}
	}
	return d, true
}

// Unpack takes PostgreSQL out of Debian's packages into a folder, with those libraries that the machine lacks, and installs nothing. The packages are kept in
// the cache; the folder must be one that an unprivileged user can enter.
func Unpack(ctx context.Context, cache, folder string) (Distribution, error) {
	d := Distribution{Bin: filepath.Join(folder, "usr/lib/postgresql", Major, "bin"), Libraries: filepath.Join(folder, "usr/lib/x86_64-linux-gnu")}
	if _, err := os.Stat(filepath.Join(folder, "complete")); err == nil {
		return d, nil
	}
	archives, err := Fetch(ctx, cache)
	if err != nil {
		return Distribution{}, err
	}
	files, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return Distribution{}, fmt.Errorf("postgresql: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Distribution{}, fmt.Errorf("postgresql: %w", err)
	}
	for _, file := range files {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", file, folder).CombinedOutput(); err != nil {
			return Distribution{}, fmt.Errorf("postgresql: unpack %s: %w: %s; remove that file and try again", file, err, strings.TrimSpace(string(out)))
		}
	}
	// dpkg-deb gives the folder the mode of the package's root.
	return d, errors.Join(os.Chmod(folder, 0o755), os.WriteFile(filepath.Join(folder, "complete"), nil, 0o644))
}

// Fetch gives the folder of the packages in the cache, and fills it where it is not complete. Only then is the network needed.
func Fetch(ctx context.Context, cache string) (archives string, err error) {
	archives = filepath.Join(cache, "sandbox", "postgresql-"+Major+"-packages")
	if _, err := os.Stat(filepath.Join(archives, "complete")); errors.Is(err, fs.ErrNotExist) {
		return archives, download(ctx, archives)
	}
	return archives, nil
}

// download fetches the packages and what they need and the machine lacks, by the machine's own apt and its sources. dpkg is not told.
func download(ctx context.Context, archives string) error {
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	args := []string{
		"install", "--yes", "--reinstall", "--download-only", "--no-install-recommends", "--option=Dir::Cache::archives=" + archives,
		"--option=Debug::NoLocking=1", "--option=APT::Sandbox::User=root", "--option=Acquire::Retries=5",
	}
	command := exec.CommandContext(ctx, "apt-get", append(args, packages...)...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("postgresql: apt-get download: %w: %s; this needs Debian 12, its mirror, and fresh package lists (apt-get update); make machine does it ahead, so that make test needs no network", err, strings.TrimSpace(string(out)))
	}
	if err := os.WriteFile(filepath.Join(archives, "complete"), nil, 0o644); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	return nil
}
