package base

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestCustomizeScript(t *testing.T) {
	const golden = "testdata/customize.sh"
	if *update {
		if err := os.WriteFile(golden, []byte(script()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if script() != string(want) {
		t.Errorf("got\n%s\nwant\n%s\nrun go test -update where the change is meant", script(), want)
	}
}

func TestArguments(t *testing.T) {
	got := arguments("/c/hook", "/c/base.tar", []string{`Acquire::Retries "5"`}, []string{"deb http://mirror.example/debian/ bookworm main"})
	want := []string{
		"--mode=root", "--variant=minbase", "--format=tar", "--include=" + strings.Join(Packages(), ","), "--dpkgopt=force-confold",
		"--customize-hook=/c/hook", `--aptopt=Acquire::Retries "5"`,
		"bookworm", "/c/base.tar", "deb http://mirror.example/debian/ bookworm main",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOptionsCarryTheProxyAndNothingElse(t *testing.T) {
	got := options(`Acquire "";
Acquire::AllowInsecureRepositories "0";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::CAInfo "/etc/ssl/own.pem";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
`)
	want := []string{`Acquire::Retries "5"`, `Acquire::http::Proxy "http://proxy.example:3128"`, `Acquire::https::CAInfo "/etc/ssl/own.pem"`, `Acquire::Check-Valid-Until "false"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMirrors(t *testing.T) {
	for name, test := range map[string]struct {
		targets string
		want    []string
	}{
		"debian's own, once each": {
			"http://mirror.example/debian/ bookworm main\nhttp://mirror.example/debian/ bookworm main\nhttp://mirror.example/debian/ bookworm contrib\nhttp://mirror.example/debian/ bookworm-updates main\nhttps://editor.example/apt/ nodistro main\n",
			[]string{"deb http://mirror.example/debian/ bookworm main", "deb http://mirror.example/debian/ bookworm-updates main"},
		},
		"another release":           {"http://mirror.example/debian/ trixie main\n", nil},
		"no main suite, only fixes": {"http://mirror.example/debian-security/ bookworm-security main\n", nil},
		"no lists":                  {"", nil},
	} {
		if got := mirrors(test.targets); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestProgressKeepsTheLastLines(t *testing.T) {
	var said []string
	p := &progress{say: func(line string) { said = append(said, line) }}
	for _, chunk := range []string{"I: one\nI: t", "wo\n 10%\r 90%\r\n", "rest"} {
		if _, err := p.Write([]byte(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"I: one", "I: two", " 90%"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if want := "I: one\nI: two\n 90%"; p.last() != want {
		t.Errorf("last is %q, want %q", p.last(), want)
	}
}

func TestMountsBelow(t *testing.T) {
	got := mountsBelow("dev /c/build-1/root/dev devtmpfs rw 0 0\npts /c/build-1/root/dev/pts devpts rw 0 0\nx /c/build-12/y tmpfs rw 0 0\n", "/c/build-1")
	if want := []string{"/c/build-1/root/dev/pts", "/c/build-1/root/dev"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
