package artifacts

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// Cilium is what the pod network's images are made of beside its tools.
type Cilium struct {
	// Source is the folder of Cilium's module: its programs for the kernel, and the script that installs the plugin.
	Source string
	// Compiler is the root of a file system with clang, whose path in it is CompilerBinary.
	Compiler, CompilerBinary string
}

// CiliumTools are what its images are made of.
var CiliumTools = []string{"cilium-agent", "cilium-cni", "cilium-dbg", "cilium-operator-generic"}

// ciliumPrograms are the programs of the base that the agent and its scripts run, by path in the base.
var ciliumPrograms = []string{
	"/usr/bin/basename", "/usr/bin/bash", "/usr/bin/cp", "/usr/bin/mkdir", "/usr/bin/mv", "/usr/bin/ip", "/usr/sbin/ipset", "/usr/sbin/xtables-nft-multi",
}

// xtables are the names under which the agent calls the last of them.
var xtables = []string{"iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save"}

// ciliumImages are the agent's and the operator's, with the paths of Cilium's own.
func (in Inputs) ciliumImages() ([]Image, error) {
	agent := binaryImage("cilium", CiliumVersion, map[string]string{"cilium-agent": in.Tools["cilium-agent"], "cilium-dbg": in.Tools["cilium-dbg"]})
	agent.Entrypoint = []string{"/cilium-agent"}
	agent.Files["/opt/cni/bin/cilium-cni"] = File{From: in.Tools["cilium-cni"], Mode: 0o755}
	agent.Files["/install-plugin.sh"] = File{From: filepath.Join(in.Cilium.Source, "plugins", "cilium-cni", "install-plugin.sh"), Mode: 0o755}
	// Scripts name their interpreter by the paths of before the merge of /usr.
	agent.Files["/bin"], agent.Files["/sbin"] = File{Link: "usr/bin"}, File{Link: "usr/sbin"}

	compiler, err := closure(in.Cilium.Compiler, in.Cilium.CompilerBinary)
	if err != nil {
		return nil, fmt.Errorf("image cilium: %w", err)
	}
	maps.Copy(agent.Files, compiler)
	agent.Files["/usr/bin/clang"] = File{Link: ".." + in.Cilium.CompilerBinary[len("/usr"):]}
	// After the compiler: where both bring a library, it is one of Debian 12 either way, and the base's is the one that its programs were tried with.
	for _, program := range ciliumPrograms {
		files, err := closure(in.Tree, program)
		if err != nil {
			return nil, fmt.Errorf("image cilium: %w", err)
		}
		maps.Copy(agent.Files, files)
	}
	for _, name := range xtables {
		agent.Files["/usr/sbin/"+name] = File{Link: "xtables-nft-multi"}
	}
	extensions, err := filepath.Glob(filepath.Join(in.Tree, "usr/lib/*-linux-gnu/xtables/*.so"))
	if err != nil {
		return nil, fmt.Errorf("image cilium: %w", err)
	}
	if len(extensions) == 0 {
		return nil, fmt.Errorf("image cilium: no extensions of iptables in %s", in.Tree)
	}
	for _, extension := range extensions {
		at, err := filepath.Rel(in.Tree, extension)
		if err != nil {
			return nil, fmt.Errorf("image cilium: %w", err)
		}
		real, err := within(in.Tree, "/"+at)
		if err != nil {
			return nil, fmt.Errorf("image cilium: %w", err)
		}
		agent.Files["/"+at] = File{From: real, Mode: 0o644}
	}
	if err := programs(agent.Files, filepath.Join(in.Cilium.Source, "bpf")); err != nil {
		return nil, fmt.Errorf("image cilium: %w", err)
	}
	operator := binaryImage("cilium-operator", CiliumVersion, map[string]string{"cilium-operator-generic": in.Tools["cilium-operator-generic"]})
	operator.Entrypoint = []string{"/cilium-operator-generic"}
	return []Image{agent, operator}, nil
}

// programs adds Cilium's programs for the kernel, without their tests.
func programs(files map[string]File, source string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (at == "tests" || at == "complexity-tests"):
			return filepath.SkipDir
		case entry.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			files["/var/lib/cilium/bpf/"+at] = File{Link: target}
		case entry.Type().IsRegular():
			files["/var/lib/cilium/bpf/"+at] = File{From: path, Mode: 0o644}
		}
		return nil
	})
}
