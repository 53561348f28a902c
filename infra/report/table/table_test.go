package table

import "testing"

func sample() Table {
	t := Table{Columns: Columns("node", "EUR a month>")}
	t.Add("gra-worker-1", "149.99")
	t.Add("a|b *c* <script> @team", "8.49")
	t.Sum("2 nodes", "158.48")
	return t
}

func TestForms(t *testing.T) {
	for form, want := range map[string]string{
		sample().Text(): "NODE                    EUR A MONTH\n" +
			"gra-worker-1                 149.99\n" +
			"a|b *c* <script> @team         8.49\n" +
			"──────────────────────  ───────────\n" +
			"2 nodes                      158.48\n",
		sample().Markdown(): "| node | EUR a month |\n|---|---:|\n| gra-worker-1 | 149.99 |\n" +
			`| a\|b \*c\* &lt;script&gt; &#64;team | 8.49 |` + "\n| **2 nodes** | **158.48** |\n",
		sample().HTML(): "<table>\n<thead><tr><th>node</th><th class=\"number\">EUR a month</th></tr>\n</thead>\n<tbody>\n" +
			"<tr><td>gra-worker-1</td><td class=\"number\">149.99</td></tr>\n" +
			"<tr><td>a|b *c* &lt;script&gt; @team</td><td class=\"number\">8.49</td></tr>\n</tbody>\n<tfoot>\n" +
			"<tr><td>2 nodes</td><td class=\"number\">158.48</td></tr>\n</tfoot>\n</table>\n",
	} {
		if form != want {
			t.Errorf("got\n%s\nwant\n%s", form, want)
		}
	}
}

func TestARowThatIsShort(t *testing.T) {
	table := Table{Columns: Columns("a", "b")}
	table.Add("1")
	if got, want := table.Text(), "A  B\n1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := table.Markdown(), "| a | b |\n|---|---|\n| 1 |  |\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCode(t *testing.T) {
	for text, want := range map[string]string{"": "", "a`b|c\nd": "`a'b¦c d`"} {
		if got := Code(text); got != want {
			t.Errorf("Code(%q) is %q, want %q", text, got, want)
		}
	}
}
