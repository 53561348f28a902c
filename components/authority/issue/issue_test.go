package issue_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/components/authority/issue"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	text, err := issue.Script(issue.Args{Names: []string{"pictures.havre.test", "*.havre.test"}, Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	scripttest.Script(t, filepath.Join("testdata", "issue.sh"), text, *update)
}

type bundle struct{ Authority, Certificate, Key string }

// run runs the script in a folder of the test, with the packages taken as installed.
func run(t *testing.T, dir string, a issue.Args) bundle {
	t.Helper()
	scripttest.Stub(t, dir, "dpkg-query", "printf installed")
	a.Folder = filepath.Join(dir, "authority")
	text, err := issue.Script(a)
	if err != nil {
		t.Fatal(err)
	}
	result := scripttest.Run(t, dir, text, "")
	if result.Code != 0 {
		t.Fatalf("status %d: %s", result.Code, result.Stderr)
	}
	if strings.Contains(result.Stderr, "PRIVATE") {
		t.Error("the log has a private key")
	}
	var b bundle
	if err := json.Unmarshal([]byte(result.Stdout), &b); err != nil {
		t.Fatalf("%v in %d bytes of output", err, len(result.Stdout))
	}
	return b
}

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(strings.TrimSpace(string(rest))) != 0 {
		t.Fatalf("not one PEM block: %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssues(t *testing.T) {
	dir := t.TempDir()
	names := []string{"pictures.havre.test", "*.havre.test"}
	first := run(t, dir, issue.Args{Names: names, Generation: 1})

	ca, leaf := certificate(t, first.Authority), certificate(t, first.Certificate)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range []string{"pictures.havre.test", "gra-worker-1.havre.test"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "pictures.example.com"}); err == nil {
		t.Error("the certificate is good for a name that nobody asked for")
	}
	if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || leaf.IsCA || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usages: authority %v %v, certificate %v %v", ca.IsCA, ca.KeyUsage, leaf.IsCA, leaf.KeyUsage)
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || len(leaf.IPAddresses) != 0 {
		t.Errorf("key %T, addresses %v", leaf.PublicKey, leaf.IPAddresses)
	}
	for c, days := range map[*x509.Certificate]int{ca: issue.AuthorityDays, leaf: issue.CertificateDays} {
		if got := c.NotAfter.Sub(c.NotBefore); got != time.Duration(days)*24*time.Hour {
			t.Errorf("%s is valid for %s, wanted %d days", c.Subject, got, days)
		}
	}
	if _, err := tls.X509KeyPair([]byte(first.Certificate), []byte(first.Key)); err != nil {
		t.Errorf("certificate and key: %v", err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", entry.Name(), info.Mode())
		}
	}

	if again := run(t, dir, issue.Args{Names: names, Generation: 1}); again != first {
		t.Error("a second run made something new")
	}
	renamed := run(t, dir, issue.Args{Names: names[:1], Generation: 1})
	if renamed.Authority != first.Authority || renamed.Certificate == first.Certificate || renamed.Key == first.Key {
		t.Error("other names must change the certificate and keep the authority")
	}
	raised := run(t, dir, issue.Args{Names: names[:1], Generation: 2})
	if raised.Authority != first.Authority || raised.Certificate == renamed.Certificate {
		t.Error("another generation must change the certificate and keep the authority")
	}
}

// Whatever is lost or broken on the host is made again, and the result is one that fits together.
func TestMends(t *testing.T) {
	dir := t.TempDir()
	args := issue.Args{Names: []string{"a.test"}, Generation: 1}
	folder := filepath.Join(dir, "authority")
	last := run(t, dir, args)
	for _, test := range []struct {
		name         string
		damage       func() error
		newAuthority bool
	}{
		{"certificate lost", func() error { return os.Remove(filepath.Join(folder, "server.crt")) }, false},
		{"key lost", func() error { return os.Remove(filepath.Join(folder, "server.key")) }, false},
		{"certificate broken", func() error { return os.WriteFile(filepath.Join(folder, "server.crt"), []byte("x"), 0o600) }, false},
		{"authority's key lost", func() error { return os.Remove(filepath.Join(folder, "authority.key")) }, true},
		{"authority broken", func() error { return os.WriteFile(filepath.Join(folder, "authority.crt"), []byte("x"), 0o600) }, true},
		{"leftovers of an interrupted run", func() error { return os.WriteFile(filepath.Join(folder, "server.key.new"), []byte("x"), 0o600) }, false},
	} {
		if err := test.damage(); err != nil {
			t.Fatal(err)
		}
		b := run(t, dir, args)
		if (b.Authority != last.Authority) != test.newAuthority {
			t.Errorf("%s: new authority %v, wanted %v", test.name, b.Authority != last.Authority, test.newAuthority)
		}
		if err := certificate(t, b.Certificate).CheckSignatureFrom(certificate(t, b.Authority)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if _, err := tls.X509KeyPair([]byte(b.Certificate), []byte(b.Key)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		last = b
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		args issue.Args
		want string
	}{
		{issue.Args{Generation: 1}, "names: none given; give the names under which the server is asked"},
		{issue.Args{Names: []string{"a.test", "a.test"}, Generation: 1}, `name "a.test" is given twice`},
		{issue.Args{Names: []string{"10.0.0.1"}, Generation: 1}, `name "10.0.0.1" is not a DNS name; give one such as pictures.example.com or *.example.com`},
		{issue.Args{Names: []string{"a.test,IP:1.2.3.4"}, Generation: 1}, `name "a.test,IP:1.2.3.4" is not a DNS name; give one such as pictures.example.com or *.example.com`},
		{issue.Args{Names: []string{"a.*.test", "localhost"}, Generation: 0}, "name \"a.*.test\" is not a DNS name; give one such as pictures.example.com or *.example.com\nname \"localhost\" is not a DNS name; give one such as pictures.example.com or *.example.com\ngeneration 0: give 1 or more"},
	} {
		if _, err := issue.Script(test.args); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}
