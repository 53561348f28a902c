// Package page is a stack on one page of HTML: topology, cost and capacity with their pictures, in one file that needs nothing else, in light and in dark, and on
// paper. The one thing a reader would get wrong: the file has no script, and asks no server for anything, so it may be mailed, kept and opened in ten years.
package page

import (
	"fmt"
	"html"
	"strings"
	"time"

	"havre/infra/report/capacity"
	"havre/infra/report/cost"
	"havre/infra/report/topology"

	_ "embed"
)

//go:embed page.css
var style string

// Args are the parts of the page; those that are nil are left out.
type Args struct {
	Stack    string
	Today    time.Time
	Topology *topology.Picture
	Cost     *cost.Bill
	Capacity *capacity.Figures
}

// HTML is the page.
func HTML(args Args) string {
	var b strings.Builder
	stack := html.EscapeString(args.Stack)
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s · havre</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<p class=\"kicker\">havre · stack</p>\n<h1>%s</h1>\n<p class=\"date\">%s</p>\n</header>\n",
		stack, style, stack, args.Today.Format("2 January 2006"))
	tiles(&b, args)
	if args.Topology != nil {
		section(&b, "Sites and mesh", args.Topology.Sentence()+" Every host is a peer of every other; links between two sites are drawn as one.")
		b.WriteString("<figure>\n" + args.Topology.SVG() + legend + "</figure>\n</section>\n")
	}
	if args.Capacity != nil {
		section(&b, "Capacity", args.Capacity.Peak()+" "+args.Capacity.Sentence(args.Today))
		b.WriteString("<figure>\n" + caseChart(*args.Capacity) + "</figure>\n")
		if args.Capacity.Next != nil && args.Capacity.Next.Months > 0 && args.Capacity.Next.Months < maxChartMonths {
			b.WriteString("<figure>\n" + growthChart(*args.Capacity, args.Today) + "</figure>\n")
		}
		b.WriteString("<div class=\"tables\">" + args.Capacity.SiteTable().HTML() + args.Capacity.CaseTable().HTML() + "</div>\n</section>\n")
	}
	if args.Cost != nil {
		section(&b, "Cost", strings.TrimSpace(args.Cost.Sentence()+" "+args.Cost.Afternoon()))
		b.WriteString("<figure>\n" + costChart(*args.Cost) + "</figure>\n<div class=\"tables\">")
		b.WriteString(args.Cost.SumTable("site", args.Cost.Sites).HTML() + args.Cost.SumTable("kind", args.Cost.Kinds).HTML() + args.Cost.SumTable("plan", args.Cost.Plans).HTML())
		b.WriteString("</div>\n<div class=\"tables\">" + args.Cost.NodeTable().HTML() + "</div>\n</section>\n")
	}
	b.WriteString("<footer>Made by havre from stacks/: what is described, not what answers. Prices are declared ones, net of tax.</footer>\n</body>\n</html>\n")
	return b.String()
}

func section(b *strings.Builder, title, lead string) {
	fmt.Fprintf(b, "<section>\n<h2>%s</h2>\n<p class=\"lead\">%s</p>\n", html.EscapeString(title), html.EscapeString(lead))
}

const legend = `<figcaption class="legend"><span class="key control">control plane</span><span class="key worker">worker</span><span class="key data">data host</span>` +
	`<span class="key line private">private network</span><span class="key line public">public network</span></figcaption>` + "\n"

// tiles are the figures that a person looks for first.
func tiles(b *strings.Builder, args Args) {
	b.WriteString("<div class=\"tiles\">\n")
	tile := func(value, unit, label string) {
		fmt.Fprintf(b, "<div class=\"tile\"><b>%s</b><i>%s</i><span>%s</span></div>\n", html.EscapeString(value), html.EscapeString(unit), html.EscapeString(label))
	}
	if args.Topology != nil {
		hosts, links := args.Topology.Count()
		tile(fmt.Sprint(hosts), "hosts", fmt.Sprintf("in %d sites", len(args.Topology.Sites)))
		tile(fmt.Sprint(links.Links()), "links", fmt.Sprintf("%d of them private", links.Private))
	}
	if args.Cost != nil {
		tile(args.Cost.Total.Monthly.Decimal(), "EUR a month", fmt.Sprintf("%.0f %% of the budget", cost.Share(args.Cost.Total.Monthly, args.Cost.Budget.Monthly)))
	}
	if args.Capacity != nil {
		worst := args.Capacity.Cases[0]
		for _, c := range args.Capacity.Cases {
			if c.CPUPercent > worst.CPUPercent {
				worst = c
			}
		}
		where := "with every site up"
		if worst.Lost != "" {
			where = "with " + worst.Lost + " lost"
		}
		tile(fmt.Sprintf("%.0f", worst.CPUPercent), "% of CPU requested", where)
		if next := args.Capacity.Next; next != nil && next.Months > 0 && next.Months < maxChartMonths {
			tile(next.By.Format("2 Jan 2006"), "", "order the next worker by")
		}
	}
	b.WriteString("</div>\n")
}
