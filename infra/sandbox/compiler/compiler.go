// Package compiler takes clang out of Debian's packages: Cilium's agent compiles its programs for the kernel of its node, so its image holds a compiler.
//
// The thing to get wrong: nothing is installed on this machine, and Debian's clang would bring gcc and the headers of C++ with it. A compiler of BPF needs neither, so the
// packages are named one by one: the compiler, and the libraries that it is linked with.
package compiler

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binary is the compiler's path in the tree.
const Binary = "/usr/lib/llvm-19/bin/clang"

// packages are the compiler and the closure of its libraries in Debian 12.
var packages = []string{
	"clang-19", "libbsd0", "libc6", "libclang-cpp19", "libedit2", "libffi8", "libgcc-s1", "libicu72", "libllvm19", "liblzma5", "libmd0", "libstdc++6", "libtinfo6",
	"libxml2", "libz3-4", "libzstd1", "zlib1g",
}

// Unpack gives the root of a file system with the compiler, below the cache folder, and makes it where it is not there. Only then is the network needed, for 61 MB.
func Unpack(ctx context.Context, cache string, report func(string)) (tree string, err error) {
	tree = filepath.Join(cache, "sandbox", "clang-19")
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	if err := os.MkdirAll(filepath.Dir(tree), 0o755); err != nil {
		return "", fmt.Errorf("compiler: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(tree), "clang-")
	if err != nil {
		return "", fmt.Errorf("compiler: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	report("clang, from Debian's packages")
	archives, root := filepath.Join(temp, "packages"), filepath.Join(temp, "root")
	if err := errors.Join(os.Mkdir(archives, 0o755), os.Mkdir(root, 0o755)); err != nil {
		return "", fmt.Errorf("compiler: %w", err)
	}
	download := exec.CommandContext(ctx, "apt-get", append([]string{"download", "--option=APT::Sandbox::User=root", "--option=Acquire::Retries=5"}, packages...)...)
	download.Dir = archives
	if out, err := download.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiler: apt-get download: %w: %s; this needs Debian 12, its mirror, and fresh package lists (apt-get update)", err, strings.TrimSpace(string(out)))
	}
	files, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return "", fmt.Errorf("compiler: %w", err)
	}
	// As Debian 12 lays its systems out, some of whose packages still name the old folders.
	for _, folder := range []string{"lib", "lib64"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(root, "usr", folder), 0o755), os.Symlink("usr/"+folder, filepath.Join(root, folder))); err != nil {
			return "", fmt.Errorf("compiler: %w", err)
		}
	}
	for _, file := range files {
		// dpkg-deb's own extraction puts folders in the place of those links.
		unpack := exec.CommandContext(ctx, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory="$2"`, "sh", file, root)
		if out, err := unpack.CombinedOutput(); err != nil {
			return "", fmt.Errorf("compiler: unpack %s: %w: %s", filepath.Base(file), err, strings.TrimSpace(string(out)))
		}
	}
	// By way of another name, so that a tree that is there is whole. Another checkout may have been faster.
	if err := os.Rename(root, tree); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("compiler: %w", err)
	}
	return tree, nil
}
