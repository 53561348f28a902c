package local

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// find returns the files below a folder that a list of globs names, by their path from it. Rules hold in order; one that begins with ! takes files out
// again. Folders are never named themselves.
func find(dir string, globs []string) (map[string]*resource.Asset, error) {
	type rule struct {
		pattern *regexp.Regexp
		exclude bool
	}
	rules := make([]rule, len(globs))
	for i, glob := range globs {
		text, exclude := strings.CutPrefix(glob, "!")
		pattern, err := compile(text)
		if err != nil {
			return nil, err
		}
		rules[i] = rule{pattern, exclude}
	}
	assets := map[string]*resource.Asset{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		take := false
		for _, r := range rules {
			if r.pattern.MatchString(name) {
				take = !r.exclude
			}
		}
		if !take {
			return nil
		}
		assets[name], err = resource.NewPathAsset(path.Join(dir, name))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("files in %s: %w", dir, err)
	}
	return assets, nil
}

// compile turns a glob into a regular expression: * is anything but a slash, ** anything, ? one character but a slash, [abc], [a-z] and [!abc] one of a
// class, {a,b} either, and a backslash takes the next character as it is.
func compile(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`^`)
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*' && i+1 < len(glob) && glob[i+1] == '*':
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case c == '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, fmt.Errorf("glob %q: [ without a class and ]; write \\[ for the character", glob)
			}
			class := glob[i+1 : i+end]
			not := ""
			if rest, ok := strings.CutPrefix(class, "!"); ok {
				not, class = "^", rest
			}
			b.WriteString(`[` + not + strings.NewReplacer(`\`, `\\`, `^`, `\^`, `[`, `\[`).Replace(class) + `]`)
			i += end
		case c == '{':
			depth++
			b.WriteString(`(?:`)
		case c == '}' && depth > 0:
			depth--
			b.WriteString(`)`)
		case c == ',' && depth > 0:
			b.WriteString(`|`)
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("glob %q: { without }; write \\{ for the character", glob)
	}
	b.WriteString(`$`)
	pattern, err := regexp.Compile(`(?s)` + b.String())
	if err != nil {
		return nil, fmt.Errorf("glob %q: %w", glob, err)
	}
	return pattern, nil
}
