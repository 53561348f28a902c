package main

import (
	"bytes"
	"context"
	"flag"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/services/render/picture"
	"havre/services/render/renderer"
)

var update = flag.Bool("update", false, "write the golden files anew")

func execute(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	c := root()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetIn(strings.NewReader(stdin))
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestHelp(t *testing.T) {
	for name, args := range map[string][]string{"help": {"--help"}, "serve": {"serve", "--help"}, "prewarm": {"prewarm", "--help"}} {
		got, err := execute(t, "", args...)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s --help changed; run with -update and read the difference:\n%s", name, got)
		}
	}
}

func TestPicture(t *testing.T) {
	got, err := execute(t, "", "picture", "--name", "Grace")
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(strings.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if err := picture.Shows(m, "Grace"); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "x.png")
	if _, err := execute(t, "", "picture", "--name", "Grace", "-o", path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != got {
		t.Errorf("the file differs from standard output (%v)", err)
	}
}

func TestPrewarm(t *testing.T) {
	server := httptest.NewServer(renderer.New(renderer.Options{}).Handler())
	defer server.Close()
	list := "reader,name,offer,price\nr-1,Ada,Two nights,€ 1\nr-2,Alan,Two nights,€ 2\n"
	out, err := execute(t, list, "prewarm", "--base", server.URL, "--campaign", "sale", "--readers", "-")
	if err != nil {
		t.Fatal(err)
	}
	if want := "campaign sale is warm: 1 addresses, 2 pictures drawn, 0 already there"; !strings.Contains(out, want) {
		t.Errorf("got %q, wanted %q in it", out, want)
	}
}

func TestHold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c := root()
	c.SetArgs([]string{"hold"})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"missing flags":   {[]string{"prewarm"}, `required flag(s) "base", "campaign", "readers" not set`},
		"no file":         {[]string{"prewarm", "--base", "http://x", "--campaign", "c", "--readers", "/does/not/exist"}, "--readers: open /does/not/exist: no such file or directory"},
		"bad list":        {[]string{"prewarm", "--base", "http://x", "--campaign", "c", "--readers", "-"}, "readers: the header line cannot be read: EOF; the first line must be \"reader,name,offer,price\""},
		"bad picture":     {[]string{"picture", "--name", ""}, "name: is missing; give 1 to 40 characters"},
		"bad cache":       {[]string{"serve", "--cache-mib", "0"}, "--cache-mib 0: give at least 1; to cache nothing use --cache-entries -1"},
		"unknown command": {[]string{"dance"}, `unknown command "dance" for "renderer"`},
	} {
		_, err := execute(t, "", test.args...)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, test.want)
		}
	}
}
