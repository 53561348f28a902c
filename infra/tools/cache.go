package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Cache hands out built tools. It is safe for concurrent use, and several processes may use one folder at once.
type Cache struct {
	dir       string
	root      string
	rootError error
	tools     []Tool
	goCommand string
	heartbeat time.Duration
	pause     time.Duration

	mu        sync.Mutex
	goVersion string
}

// DefaultDir returns the cache folder of this user: havre below XDG_CACHE_HOME, or below ~/.cache where that is not set.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache folder: %w; set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(dir, "havre"), nil
}

// Open returns the cache in a folder, made on first use. The tools' modules come from the checkout that holds the working directory or, failing that, the
// running binary; a checkout that is not found is an error of the first call, so that Open itself never fails.
func Open(cacheDir string) *Cache {
	root, err := FindRoot()
	c := OpenAt(root, cacheDir)
	c.rootError = err
	return c
}

// OpenAt is Open with the root of the checkout named.
func OpenAt(root, cacheDir string) *Cache {
	return &Cache{dir: cacheDir, root: root, tools: Catalogue(), goCommand: "go", heartbeat: 5 * time.Second, pause: 10 * time.Second}
}

// modulesDir is where the tools' modules lie in a checkout.
const modulesDir = "infra/tools/modules"

// FindRoot returns the root of the checkout: the nearest folder above the working directory, else above the running binary, that has infra/tools/modules.
func FindRoot() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if info, err := os.Stat(filepath.Join(dir, modulesDir)); err == nil && info.IsDir() {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("no checkout found: no folder above %s has %s; run this inside the checkout", strings.Join(starts, " or "), modulesDir)
}

// Path returns the path of a built tool, building it when the cache does not hold it. Progress, which may be nil, gets a line when a build begins,
// every few seconds while it lasts, and when it ends. A build takes from 20 seconds to many minutes; ending ctx stops it.
func (c *Cache) Path(ctx context.Context, name string, progress func(string)) (string, error) {
	return c.path(ctx, name, place{}, progress)
}

// sideBySide is how many modules are built at once. The end of every build, its linking, keeps one core at most; what is built beside it takes the others.
const sideBySide = 2

// All returns the paths of the named tools, building what is missing: the tools of one module one after another, because they share most of what they are
// compiled from, and two modules side by side. It goes on after a failure, so that one broken pin is told together with the others; what was built stays built.
func (c *Cache) All(ctx context.Context, names []string, progress func(string)) (map[string]string, error) {
	paths := make(map[string]string, len(names))
	var missing []Tool
	var errs []error
	for _, name := range names {
		path, built, err := c.Cached(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		paths[name] = path
		if tool, err := find(c.tools, name); err == nil && !built {
			missing = append(missing, tool)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var mu sync.Mutex
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if progress != nil {
			progress(line)
		}
	}
	modules := map[string][]int{}
	var order []string
	for i, tool := range missing {
		if len(modules[tool.Module]) == 0 {
			order = append(order, tool.Module)
		}
		modules[tool.Module] = append(modules[tool.Module], i)
	}
	failed := make([]error, len(missing))
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for _, module := range order {
		group.Go(func() error {
			for _, i := range modules[module] {
				if failed[i] = ctx.Err(); failed[i] == nil {
					_, failed[i] = c.path(ctx, missing[i].Name, place{i + 1, len(missing)}, say)
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	for i, err := range failed {
		if err != nil {
			delete(paths, missing[i].Name)
		}
	}
	return paths, errors.Join(failed...)
}

// Cached returns where a tool lies or would lie, and whether it is built.
func (c *Cache) Cached(ctx context.Context, name string) (path string, built bool, err error) {
	tool, err := find(c.tools, name)
	if err != nil {
		return "", false, err
	}
	key, err := c.Key(ctx, tool)
	if err != nil {
		return "", false, err
	}
	path = filepath.Join(c.dir, "tools", tool.Name, key, tool.Name)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular(), nil
}

// Key returns the name of the tool's folder: a digest of the module's own files, the Go release, and the flags. Nothing of the machine is in it.
func (c *Cache) Key(ctx context.Context, tool Tool) (string, error) {
	if c.rootError != nil {
		return "", c.rootError
	}
	version, err := c.release(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.root, modulesDir, tool.Module)
	files, err := moduleFiles(dir)
	if err != nil {
		return "", fmt.Errorf("tool %s: %w", tool.Name, err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "go %s\npackage %s\nflags %s\n", version, tool.Package, strings.Join(buildFlags(tool.LinkerFlags, tool.Tags), " "))
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("tool %s: %w", tool.Name, err)
		}
		fmt.Fprintf(sum, "file %s %x\n", name, sha256.Sum256(text))
	}
	return hex.EncodeToString(sum.Sum(nil))[:24], nil
}

// moduleFiles returns the files of a tool's module that decide its bytes: go.mod, go.sum and Go code in all its folders, tests aside; sorted, with slashes.
func moduleFiles(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if name == "go.mod" || name == "go.sum" || strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	for _, want := range []string{"go.mod", "go.sum"} {
		if i := sort.SearchStrings(names, want); i == len(names) || names[i] != want {
			return nil, fmt.Errorf("%s has no %s; a pinned tool needs both go.mod and go.sum committed", dir, want)
		}
	}
	return names, nil
}

// release returns the Go release in use, asked once.
func (c *Cache) release(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.goVersion != "" {
		return c.goVersion, nil
	}
	cmd := exec.CommandContext(ctx, c.goCommand, "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Env = environment()
	cmd.Dir = c.root
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("the go command is not on the PATH; install Go 1.26 or newer")
	}
	if err != nil {
		return "", fmt.Errorf("ask for the go release: %w", err)
	}
	c.goVersion = strings.Join(strings.Fields(string(out)), " ")
	return c.goVersion, nil
}

// lock takes the lock of one tool, so that two processes never build the same one; it waits, telling so, and gives up with ctx.
func (c *Cache) lock(ctx context.Context, tool Tool, progress func(string)) (unlock func(), err error) {
	dir := filepath.Join(c.dir, "tools", tool.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("tool %s: cache folder: %w", tool.Name, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("tool %s: cache lock: %w", tool.Name, err)
	}
	for told := false; ; {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("tool %s: lock %s: %w", tool.Name, file.Name(), err)
		}
		if !told {
			progress(fmt.Sprintf("waiting for %s: another process is building it", tool.Name))
			told = true
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("tool %s: waiting for another process that builds it: %w", tool.Name, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
