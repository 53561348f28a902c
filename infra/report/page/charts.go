package page

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"time"

	"havre/infra/report/capacity"
	"havre/infra/report/cost"
)

// maxChartMonths is where growth is no picture any more.
const maxChartMonths = 60

const chartWidth = 1160.0

// chart is an SVG in the making.
type chart struct{ strings.Builder }

func open(high float64, label string) *chart {
	c := &chart{}
	fmt.Fprintf(c, `<svg class="chart" viewBox="0 0 %s %s" role="img" aria-label="%s">`+"\n", num(chartWidth), num(high), html.EscapeString(label))
	return c
}

func (c *chart) close() string { return c.String() + "</svg>\n" }

func (c *chart) rect(class string, x, y, w, h, r float64, title string) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s">`, class, num(x), num(y), num(max(w, 0)), num(h), num(r))
	if title != "" {
		c.WriteString("<title>" + html.EscapeString(title) + "</title>")
	}
	c.WriteString("</rect>\n")
}

func (c *chart) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", class, num(x), num(y), anchor, html.EscapeString(text))
}

func (c *chart) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<path class="%s" d="M%s %sL%s %s"/>`+"\n", class, num(x1), num(y1), num(x2), num(y2))
}

// caseChart has a bar for each figure of each case, with the line across all.
func caseChart(f capacity.Figures) string {
	const left, bar, space, group = 240.0, 16.0, 5.0, 18.0
	most := 100.0
	for _, c := range f.Cases {
		for _, v := range []float64{c.CPUPercent, c.LoadPercent, c.MemoryPercent} {
			if !math.IsInf(v, 0) {
				most = max(most, v)
			}
		}
	}
	wide := chartWidth - left - 70
	scale := wide / most
	high := 30 + float64(len(f.Cases))*(3*(bar+space)+group)
	c := open(high, "share of what is available that the peak takes, for each case")
	for percent := 0.0; percent <= most; percent += 20 {
		x := left + percent*scale
		c.line("grid", x, 22, x, high-group)
		if percent != capacity.LinePercent {
			c.text("tiny", x, 14, "middle", num(percent)+" %")
		}
	}
	y := 28.0
	for _, each := range f.Cases {
		name := "every site up"
		if each.Lost != "" {
			name = each.Lost + " lost"
		}
		c.text("strong", 0, y+13, "start", name)
		for _, value := range []struct {
			label, class string
			percent      float64
		}{{"CPU requested", "requested", each.CPUPercent}, {"processor time", "load", each.LoadPercent}, {"memory requested", "memory", each.MemoryPercent}} {
			class := value.class
			if value.percent > capacity.LinePercent {
				class += " over"
			}
			c.text("small", left-12, y+12.5, "end", value.label)
			shown := min(value.percent, most)
			c.rect("bar "+class, left, y, shown*scale, bar, 3, fmt.Sprintf("%s, %s: %.1f %%", name, value.label, value.percent))
			if label := fmt.Sprintf("%.0f %%", value.percent); shown < capacity.LinePercent && shown > capacity.LinePercent-6 {
				// Beside the bar it would lie on the line.
				c.text("onbar", left+shown*scale-8, y+12.5, "end", label)
			} else {
				c.text("small", left+shown*scale+8, y+12.5, "start", label)
			}
			y += bar + space
		}
		y += group
	}
	x := left + capacity.LinePercent*scale
	c.line("limit", x, 20, x, high-group)
	c.text("limittext", x, 14, "middle", "80 % line")
	return c.close()
}

// growthChart is the worst case's share as the peak grows, until a while after it meets the line.
func growthChart(f capacity.Figures, today time.Time) string {
	next := f.Next
	const left, right, top, high, bottom = 56.0, 24.0, 26.0, 270.0, 34.0
	months := math.Ceil(next.Months*1.35 + 0.5)
	start := 0.0
	for _, c := range f.Cases {
		if c.Lost == next.Lost {
			start = c.LoadPercent
			if next.Because == "memory" {
				start = c.MemoryPercent
			}
		}
	}
	most := max(100, math.Ceil(start*math.Pow(1+f.Growth, months)/10)*10)
	wide, tall := chartWidth-left-right, high-top-bottom
	x := func(month float64) float64 { return left + month/months*wide }
	y := func(percent float64) float64 { return top + tall - percent/most*tall }
	c := open(high, "growth of the peak until it meets the line")
	for percent := 0.0; percent <= most; percent += 20 {
		c.line("grid", left, y(percent), left+wide, y(percent))
		c.text("tiny", left-10, y(percent)+4, "end", num(percent)+" %")
	}
	every := max(1, math.Ceil(months/12))
	for month := 0.0; month <= months; month += every {
		at := today.Add(time.Duration(month * 365.25 / 12 * 24 * float64(time.Hour)))
		c.text("tiny", x(month), high-12, "middle", at.Format("Jan 2006"))
	}
	var curve strings.Builder
	for i := 0.0; i <= 60; i++ {
		month := months * i / 60
		command := "L"
		if i == 0 {
			command = "M"
		}
		curve.WriteString(command + num(x(month)) + " " + num(y(start*math.Pow(1+f.Growth, month))))
	}
	fmt.Fprintf(c, `<path class="area" d="%sL%s %sL%s %sZ"/>`+"\n", curve.String(), num(x(months)), num(y(0)), num(x(0)), num(y(0)))
	c.line("limit", left, y(capacity.LinePercent), left+wide, y(capacity.LinePercent))
	fmt.Fprintf(c, `<path class="curve" d="%s"/>`+"\n", curve.String())
	c.text("limittext", left+8, y(capacity.LinePercent)-8, "start", "80 % line")
	meet := x(next.Months)
	c.line("drop", meet, y(capacity.LinePercent), meet, y(0))
	fmt.Fprintf(c, `<circle class="dot" cx="%s" cy="%s" r="5"/>`+"\n", num(meet), num(y(capacity.LinePercent)))
	// The curve only rises, so below where it begins there is none, if there is room.
	words := min(y(start)+26, y(0)-26)
	c.text("strong", meet-10, words, "end", "order by "+next.By.Format("2 January 2006"))
	c.text("small", meet-10, words+18, "end", "full on "+next.Full.Format("2 January 2006")+", "+next.Because+ifLost(next.Lost))
	return c.close()
}

func ifLost(site string) string {
	if site == "" {
		return ""
	}
	return " with " + site + " lost"
}

// costChart is one bar of all nodes, grouped by site, against the budget.
func costChart(b cost.Bill) string {
	const top, bar, high = 34.0, 46.0, 128.0
	whole := max(b.Budget.Monthly.Units, b.Total.Monthly.Units)
	if whole == 0 {
		return ""
	}
	scale := chartWidth / float64(whole)
	c := open(high, b.Sentence())
	c.rect("track", 0, top, chartWidth, bar, 6, "")
	at := 0.0
	for _, site := range b.Sites {
		from := at
		for _, node := range b.Nodes {
			if node.Site != site.Name {
				continue
			}
			wide := float64(node.Monthly.Units) * scale
			c.rect("bar "+costClass(node), at+0.75, top, wide-1.5, bar, 2, node.Name+": "+node.Monthly.String()+" a month")
			if wide > 70 {
				c.text("onbar", at+wide/2, top+28, "middle", node.Monthly.Decimal())
			}
			at += wide
		}
		c.line("bracket", from+1, top-7, at-1, top-7)
		if at-from > 120 {
			c.text("small", (from+at)/2, top-15, "middle", site.Name+" "+site.Monthly.Decimal())
		}
	}
	limit := float64(b.Budget.Monthly.Units) * scale
	c.line("limit", limit-1, top-12, limit-1, top+bar+10)
	c.text("limittext", limit-6, top+bar+26, "end", "budget "+b.Budget.Monthly.Decimal()+" EUR")
	c.text("small", 0, top+bar+26, "start", b.Total.Monthly.Decimal()+" EUR a month, "+strconv.Itoa(b.Total.Nodes)+" nodes")
	return c.close()
}

// costClass colours a node by what was bought.
func costClass(node cost.Line) string {
	switch {
	case node.Kind == "vps" || strings.Contains(node.Name, "-control-"):
		return "control"
	case strings.Contains(node.Name, "-data-"):
		return "data"
	default:
		return "worker"
	}
}

func num(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }
