package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildOwn builds a main package of this repository, such as "./infra/tools/language-go", into a file. Go's own build cache makes an unchanged one a
// matter of a second; the file is only replaced when the bytes differ, so that what watches it (InstallPlugins, image digests) sees no change.
func BuildOwn(ctx context.Context, root, pkg, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	temporary := out + ".building"
	defer func() { _ = os.Remove(temporary) }()
	args := append(append([]string{"build"}, buildFlags(stripped, "")...), "-o", temporary, pkg)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = root, environment()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, tail(string(output), tailLines))
	}
	same, err := sameFile(temporary, out)
	if err != nil || same {
		return err
	}
	if err := os.Rename(temporary, out); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

// Place puts a built tool at a path: a hard link where both lie on one file system, else a copy. A symbolic link will not do for pulumi: it looks for its
// language host beside the file that it resolves to. Nothing happens when the file is there already.
func Place(built, path string) error {
	if same, err := sameFile(built, path); err != nil || same {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("place %s: %w", path, err)
	}
	temporary := path + ".placing"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("place %s: %w", path, err)
	}
	if err := os.Link(built, temporary); err != nil {
		if err := copyFile(built, temporary); err != nil {
			return fmt.Errorf("place %s: %w", path, err)
		}
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("place %s: %w", path, err)
	}
	// Renaming one hard link over another of the same file does nothing and leaves the first.
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("place %s: %w", path, err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// sameFile says whether two files have the same bytes. A second one that is not there differs; a first one that is not there is an error.
func sameFile(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if os.SameFile(infoA, infoB) {
		return true, nil
	}
	if infoA.Size() != infoB.Size() {
		return false, nil
	}
	sumA, err := checksum(a)
	if err != nil {
		return false, err
	}
	sumB, err := checksum(b)
	return sumA == sumB, err
}

// ModuleDir is the folder in which go keeps the source of a module that one of the tools' modules pins.
func ModuleDir(ctx context.Context, root, module, path string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path)
	cmd.Dir, cmd.Env = filepath.Join(root, modulesDir, module), environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("module %s of %s/%s: %w", path, modulesDir, module, err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", fmt.Errorf("module %s of %s/%s: go has not fetched it; build one of its tools first", path, modulesDir, module)
	}
	return dir, nil
}
