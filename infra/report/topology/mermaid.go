package topology

import (
	"fmt"
	"strings"
)

// crowd is how many unmarked hosts of one role are drawn one by one; more become one box.
const crowd = 4

// Mermaid is the picture as a diagram of GitHub's Markdown, without the fence. Marked hosts are always drawn by themselves.
func (p Picture) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	edges := p.edges()
	if len(edges) > 0 {
		domain := p.Domain
		if domain == "" {
			domain = "readers"
		}
		fmt.Fprintf(&b, "  front([\"%s\"]):::front\n", label(domain))
	}
	for _, site := range p.Sites {
		fmt.Fprintf(&b, "  subgraph %s[\"%s · %s\"]\n", id(site.Name), label(site.City), label(site.Name))
		for _, group := range site.groups() {
			var plain []Host
			for _, host := range group.hosts {
				if host.Mark == Unmarked {
					plain = append(plain, host)
				} else {
					box(&b, host)
				}
			}
			if len(plain) <= crowd {
				for _, host := range plain {
					box(&b, host)
				}
				continue
			}
			fmt.Fprintf(&b, "    %s_%s[\"%d %s<br/>%s … %s\"]:::%s\n", id(site.Name), id(string(group.role)), len(plain), captions[group.role],
				label(plain[0].Name), label(plain[len(plain)-1].Name), class(plain[0]))
		}
		b.WriteString("  end\n")
	}
	for _, site := range p.Sites {
		if n := edges[site.Name]; n > 0 {
			fmt.Fprintf(&b, "  front --> |\"%s\"| %s\n", plural(n, "edge node"), id(site.Name))
		}
	}
	for _, bundle := range p.Between {
		fmt.Fprintf(&b, "  %s <-.-> |\"%s\"| %s\n", id(bundle.From), bundle.label(), id(bundle.To))
	}
	for _, line := range []string{
		"front fill:#f6f8fa,stroke:#57606a,color:#1f2328",
		"control fill:#ddf4ff,stroke:#0969da,color:#0a3069",
		"worker fill:#f6f8fa,stroke:#57606a,color:#1f2328",
		"data fill:#fbefff,stroke:#8250df,color:#3e1f79",
		"new fill:#dafbe1,stroke:#1a7f37,color:#044f1e,stroke-width:3px",
		"changed fill:#fff8c5,stroke:#9a6700,color:#4d2d00,stroke-width:2px",
		"drained fill:#fff1e5,stroke:#bc4c00,color:#5c2200,stroke-width:3px,stroke-dasharray:5 3",
		"removed fill:#ffebe9,stroke:#cf222e,color:#82071e,stroke-width:3px,stroke-dasharray:5 3",
	} {
		b.WriteString("  classDef " + line + "\n")
	}
	return b.String()
}

// edges counts edge nodes that stay, by site.
func (p Picture) edges() map[string]int {
	out := map[string]int{}
	for _, site := range p.Sites {
		for _, host := range site.Hosts {
			if host.Edge && host.Mark != Removed && host.Mark != Drained {
				out[site.Name]++
			}
		}
	}
	return out
}

func box(b *strings.Builder, host Host) {
	text := label(host.Name) + "<br/>" + label(host.does())
	if host.Mark != Unmarked {
		text += "<br/><b>" + string(host.Mark) + "</b>"
	}
	fmt.Fprintf(b, "    %s[\"%s\"]:::%s\n", id(host.Name), text, class(host))
}

// class is the style of a host.
func class(host Host) string {
	switch host.Mark {
	case Added:
		return "new"
	case Changed:
		return "changed"
	case Drained:
		return "drained"
	case Removed, Wiped:
		return "removed"
	}
	switch host.Role {
	case "control-plane":
		return "control"
	case "data":
		return "data"
	default:
		return "worker"
	}
}

func (b Bundle) label() string {
	switch {
	case b.Private == 0:
		return fmt.Sprintf("%d public", b.Public)
	case b.Public == 0:
		return fmt.Sprintf("%d private", b.Private)
	default:
		return fmt.Sprintf("%d private, %d public", b.Private, b.Public)
	}
}

// id is a name as Mermaid takes it for an identifier. "end" alone would close the subgraph.
func id(name string) string {
	return "n_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// label is text inside of quotes.
func label(text string) string {
	return strings.NewReplacer(`"`, "#quot;", "<", "&lt;", ">", "&gt;", "\n", " ").Replace(text)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
