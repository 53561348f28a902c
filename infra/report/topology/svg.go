package topology

import (
	"fmt"
	"html"
	"math"
	"strings"

	"havre/stacks"
)

// Measures of the drawing, in its own units; the page scales it to its width.
const (
	width      = 1160.0
	gap        = 44.0 // between sites
	inset      = 18.0 // inside a site
	frontTop   = 14.0
	frontHigh  = 46.0
	sitesTop   = 142.0
	headHigh   = 62.0
	captHigh   = 26.0
	tileHigh   = 48.0
	tileGap    = 10.0
	smallTile  = 26.0
	smallGap   = 6.0
	groupGap   = 14.0
	arcDepth   = 66.0
	crowdTiles = 12 // more hosts of one role are small tiles
)

// SVG is the picture as an element of a page, styled by the page's classes; see package page.
func (p Picture) SVG() string {
	d := drawing{p: p}
	n := max(len(p.Sites), 1)
	d.column = (width - gap*float64(n-1)) / float64(n)
	high := headHigh
	for _, site := range p.Sites {
		high = max(high, d.siteHigh(site))
	}
	bottom := sitesTop + high
	depth := 0.0
	if n > 1 {
		depth = arcDepth*float64(n-1) + 30
	}
	total := bottom + depth
	fmt.Fprintf(&d.b, `<svg class="topology" viewBox="0 0 %s %s" role="img" aria-label="%s">`+"\n", num(width), num(total), html.EscapeString(p.Sentence()))
	d.front()
	d.bundles(bottom)
	for i, site := range p.Sites {
		d.site(i, site, high)
	}
	d.b.WriteString("</svg>\n")
	return d.b.String()
}

// drawing is an SVG in the making.
type drawing struct {
	b      strings.Builder
	p      Picture
	column float64
}

func (d *drawing) left(i int) float64   { return float64(i) * (d.column + gap) }
func (d *drawing) middle(i int) float64 { return d.left(i) + d.column/2 }

// tiles is the number of tiles side by side in a group, their size and the space between them.
func (d *drawing) tiles(g group) (across int, wide, high, space float64) {
	inner := d.column - 2*inset
	if len(g.hosts) > crowdTiles {
		return max(int((inner+smallGap)/(smallTile+smallGap)), 1), smallTile, smallTile, smallGap
	}
	across = max(int((inner+tileGap)/(150+tileGap)), 1)
	return across, (inner - tileGap*float64(across-1)) / float64(across), tileHigh, tileGap
}

func (d *drawing) groupHigh(g group) float64 {
	across, _, high, space := d.tiles(g)
	rows := math.Ceil(float64(len(g.hosts)) / float64(across))
	return captHigh + rows*(high+space) - space
}

func (d *drawing) siteHigh(site Site) float64 {
	high := headHigh
	for _, g := range site.groups() {
		high += d.groupHigh(g) + groupGap
	}
	return high + inset - groupGap + 4
}

func (d *drawing) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(&d.b, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", class, num(x), num(y), anchor, html.EscapeString(text))
}

// front is the way of readers to the edge.
func (d *drawing) front() {
	edges := d.p.edges()
	if len(edges) == 0 {
		return
	}
	const wide = 380.0
	for i, site := range d.p.Sites {
		n := edges[site.Name]
		if n == 0 {
			continue
		}
		x, from, top, end := d.middle(i), width/2, frontTop+frontHigh, sitesTop-34
		fmt.Fprintf(&d.b, `<path class="way" d="M%s %sC%s %s %s %s %s %sV%s"/>`+"\n", num(from), num(top), num(from), num((top+end)/2+8), num(x), num((top+end)/2-8), num(x), num(end), num(sitesTop))
		label := plural(n, "edge node")
		fmt.Fprintf(&d.b, `<rect class="pill" x="%s" y="%s" width="104" height="22" rx="11"/>`+"\n", num(x-52), num(sitesTop-34))
		d.text("small", x, sitesTop-19, "middle", label)
	}
	fmt.Fprintf(&d.b, `<rect class="front" x="%s" y="%s" width="%s" height="%s" rx="23"/>`+"\n", num((width-wide)/2), num(frontTop), num(wide), num(frontHigh))
	d.text("strong", width/2, frontTop+20, "middle", "readers’ mail clients")
	domain := d.p.Domain
	if domain == "" {
		domain = "the front door"
	}
	d.text("small", width/2, frontTop+37, "middle", domain+", through Cloudflare")
}

// bundles are the arcs below the sites. The path of two neighbours is flat, that of two sites further apart goes below it.
func (d *drawing) bundles(bottom float64) {
	at := map[string]int{}
	for i, site := range d.p.Sites {
		at[site.Name] = i
	}
	count := len(d.p.Sites)
	for _, bundle := range d.p.Between {
		i, j := at[bundle.From], at[bundle.To]
		if i > j {
			i, j = j, i
		}
		if bundle.Links() == 0 {
			continue
		}
		span := float64(j - i)
		// Each arc leaves a site at a place of its own: the further it goes, the nearer to the middle.
		step := d.column / 2 / float64(count)
		x1, x2 := d.middle(i)+step*(float64(count)-span), d.middle(j)-step*(float64(count)-span)
		dip := bottom + arcDepth*span*4/3
		arc := func(class string, shift, n float64) {
			fmt.Fprintf(&d.b, `<path class="%s" style="stroke-width:%s" d="M%s %s C%s %s %s %s %s %s"/>`+"\n", class, num(1.5+math.Log2(1+n)),
				num(x1+shift), num(bottom-2), num(x1+shift), num(dip-shift), num(x2-shift), num(dip-shift), num(x2-shift), num(bottom-2))
		}
		both := bundle.Private > 0 && bundle.Public > 0
		shift := 0.0
		if both {
			shift = 5
		}
		if bundle.Private > 0 {
			arc("private", shift, float64(bundle.Private))
		}
		if bundle.Public > 0 {
			arc("public", -shift, float64(bundle.Public))
		}
		label := bundle.label() + " links"
		x, y, wide := (x1+x2)/2, bottom+arcDepth*span, 7.0*float64(len(label))+24
		fmt.Fprintf(&d.b, `<rect class="pill" x="%s" y="%s" width="%s" height="24" rx="12"/>`+"\n", num(x-wide/2), num(y-12), num(wide))
		d.text("small", x, y+4, "middle", label)
	}
}

func (d *drawing) site(i int, site Site, high float64) {
	x := d.left(i)
	fmt.Fprintf(&d.b, `<rect class="site" x="%s" y="%s" width="%s" height="%s" rx="14"/>`+"\n", num(x), num(sitesTop), num(d.column), num(high))
	d.text("title", x+inset, sitesTop+32, "start", site.City)
	stay := 0
	for _, host := range site.Hosts {
		if host.Mark != Removed {
			stay++
		}
	}
	inside := plural(stay, "host")
	for _, b := range d.p.Inside {
		if b.From == site.Name && b.Links() > 0 {
			inside += ", " + plural(b.Links(), "link") + " inside"
		}
	}
	d.text("small", x+inset, sitesTop+51, "start", inside)
	d.text("code faint", x+d.column-inset, sitesTop+32, "end", site.Name)
	y := sitesTop + headHigh
	for _, g := range site.groups() {
		d.text("caption", x+inset, y+16, "start", captions[g.role])
		across, wide, tall, space := d.tiles(g)
		for k, host := range g.hosts {
			tx := x + inset + float64(k%across)*(wide+space)
			ty := y + captHigh + float64(k/across)*(tall+space)
			if tall == smallTile {
				d.small(host, tx, ty)
			} else {
				d.host(host, tx, ty, wide)
			}
		}
		y += d.groupHigh(g) + groupGap
	}
}

// host is a tile with everything worth reading about a host.
func (d *drawing) host(host Host, x, y, wide float64) {
	fmt.Fprintf(&d.b, `<g class="%s"><title>%s</title>`+"\n", classes(host), html.EscapeString(host.tip()))
	fmt.Fprintf(&d.b, `<rect class="tile" x="%s" y="%s" width="%s" height="%s" rx="7"/>`+"\n", num(x), num(y), num(wide), num(tileHigh))
	fmt.Fprintf(&d.b, `<rect class="stripe" x="%s" y="%s" width="4" height="%s" rx="2"/>`+"\n", num(x+5), num(y+8), num(tileHigh-16))
	d.text("code", x+17, y+20, "start", host.Name)
	second := host.Address
	if host.Purpose != "" {
		second += " · " + host.Purpose
	}
	if host.Edge {
		second += " · edge"
	}
	d.text("small", x+17, y+37, "start", second)
	if host.Mark != Unmarked {
		label := string(host.Mark)
		w := 6.6*float64(len(label)) + 14
		fmt.Fprintf(&d.b, `<rect class="mark" x="%s" y="%s" width="%s" height="18" rx="9"/>`+"\n", num(x+wide-w-6), num(y-12), num(w))
		d.text("marktext", x+wide-w/2-6, y+1, "middle", label)
	}
	d.b.WriteString("</g>\n")
}

// small is a tile of a crowd: its place in the crowd, the rest on hovering.
func (d *drawing) small(host Host, x, y float64) {
	fmt.Fprintf(&d.b, `<g class="%s"><title>%s</title>`+"\n", classes(host), html.EscapeString(host.tip()))
	fmt.Fprintf(&d.b, `<rect class="tile" x="%s" y="%s" width="%s" height="%s" rx="5"/>`+"\n", num(x), num(y), num(smallTile), num(smallTile))
	number := host.Name[strings.LastIndex(host.Name, "-")+1:]
	d.text("tiny", x+smallTile/2, y+17, "middle", number)
	d.b.WriteString("</g>\n")
}

// tip is what hovering over a host tells.
func (h Host) tip() string {
	text := h.Name + ": " + h.does() + ", " + h.PlanCode + ", mesh " + h.Address
	if h.Private {
		text += ", in the private network"
	}
	if h.Mark != Unmarked {
		text += "; " + string(h.Mark)
	}
	return text
}

func classes(host Host) string {
	role := map[stacks.Role]string{stacks.RoleControlPlane: "control", stacks.RoleWorker: "worker", stacks.RoleData: "data"}[host.Role]
	if host.Mark == Unmarked {
		return "host " + role
	}
	return "host " + role + " is-" + class(host)
}

// num is a coordinate with at most one digit after its point: what is drawn is the same on every machine.
func num(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}
