//go:build e2e

package etcd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"havre/components/host/script"
	"havre/infra/tools"
)

// patience bounds every wait.
const patience = 60 * time.Second

const password = "the-password-of-these-backups"

// world is two members and the bucket.
type world struct {
	t       *testing.T
	bin     string
	pki     string
	storage *httptest.Server
	backend *s3mem.Backend
	members []*member
}

// member is one host's folder with its member of etcd.
type member struct {
	w            *world
	name, dir    string
	client, peer int
	process      *exec.Cmd
	said         *bytes.Buffer
	ended        chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cache, err := tools.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, bin: filepath.Join(t.TempDir(), "bin"), pki: t.TempDir(), backend: s3mem.New()}
	if err := os.MkdirAll(w.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		path, err := tools.Open(cache).Path(t.Context(), name, func(line string) { t.Log(line) })
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(w.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.backend.CreateBucket("backup"); err != nil {
		t.Fatal(err)
	}
	w.storage = httptest.NewServer(gofakes3.New(w.backend).Server())
	t.Cleanup(w.storage.Close)
	w.certify()
	ports := freePorts(t, 4)
	for i, name := range []string{"one", "two"} {
		m := &member{w: w, name: name, dir: t.TempDir(), client: ports[2*i], peer: ports[2*i+1]}
		w.members = append(w.members, m)
		m.prepare()
	}
	for _, m := range w.members {
		m.start("new")
	}
	for _, m := range w.members {
		m.healthy()
	}
	return w
}

// freePorts are ports that nobody listens on at the moment.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// certify makes one authority and one certificate for everybody; who may do what is not what is tested here.
func (w *world) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{
		"etcd/ca.crt": certificate, "etcd/healthcheck-client.crt": certificate, "etcd/healthcheck-client.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"secrets.json": []byte("the keys of Secrets\n"),
	} {
		write(w.t, filepath.Join(w.pki, name), string(text))
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// prepare gives the host its library with all paths below its folder, its certificates, and a kubectl that knows the Secret and keeps the Node's condition.
func (m *member) prepare() {
	t := m.w.t
	move := strings.NewReplacer(
		"/etc/", m.dir+"/etc/", "/var/lib/", m.dir+"/var/lib/", "/var/cache/", m.dir+"/var/cache/", "/var/log/", m.dir+"/var/log/", "/run/", m.dir+"/run/",
		"/usr/local/lib/havre/run", m.dir+"/run-library", "127.0.0.1:2379", fmt.Sprintf("127.0.0.1:%d", m.client), "$ADDRESS:2380", fmt.Sprintf("127.0.0.1:%d", m.peer),
		// restic tries a cut object again for a quarter of an hour.
		"timeout -k 10 900 restic", "timeout -k 10 12 restic",
		"(2379|2380|$API_PORT)", fmt.Sprintf("(%d|%d)", m.client, m.peer),
	)
	var library strings.Builder
	for _, name := range []string{"lib.sh", "cluster.sh", "control-plane.sh", "etcd.sh"} {
		library.WriteString(move.Replace(script.LibraryFile(name)))
	}
	// What the round does for an API server, which there is none of here, is seen in the end-to-end run.
	library.WriteString("keys_advance() { :; }\ncertificates_renew() { :; }\n")
	write(t, filepath.Join(m.dir, "library.sh"), library.String())
	write(t, filepath.Join(m.dir, "run-library"), "#!/bin/bash\n. "+m.dir+"/library.sh\nwhile [[ $1 == *.sh ]]; do shift; done\n\"$@\"\n")
	if err := os.Chmod(filepath.Join(m.dir, "run-library"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(m.dir, "etc/havre/cluster/node.env"), "NODE="+m.name+"\nADDRESS=127.0.0.1\nCONTROL_PLANE=yes\nCLUSTER=test\nAPI_PORT=1\n")
	write(t, filepath.Join(m.dir, "var/lib/havre/cluster/member"), "x")
	write(t, filepath.Join(m.dir, "etc/kubernetes/admin.conf"), "x")
	write(t, filepath.Join(m.dir, "var/log/kubernetes/audit/audit.log"), "audited on "+m.name+"\n")
	if err := os.CopyFS(filepath.Join(m.dir, "etc/kubernetes/pki"), os.DirFS(m.w.pki)); err != nil {
		t.Fatal(err)
	}
	m.settings(password)
	kubectl := "#!/bin/bash\ncase \"$*\" in\n*etcd-backup*) base64 -w0 <" + m.dir + "/settings.json ;;\n*\"patch node\"*) printf '%s\\n' \"${@: -1}\" >" + m.dir + "/condition ;;\nesac\n"
	write(t, filepath.Join(m.dir, "bin/kubectl"), kubectl)
	if err := os.Chmod(filepath.Join(m.dir, "bin/kubectl"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (m *member) settings(password string) {
	write(m.w.t, filepath.Join(m.dir, "settings.json"), fmt.Sprintf(
		`{"accessKey":"access","everySeconds":3600,"keepDaily":7,"keepHourly":24,"password":"%s","region":"local","repository":"%s/backup/test","secretKey":"secret"}`,
		password, m.w.storage.URL))
}

func (m *member) data() string { return filepath.Join(m.dir, "var/lib/etcd") }

func (w *world) cluster() string {
	var list []string
	for _, m := range w.members {
		list = append(list, fmt.Sprintf("%s=https://127.0.0.1:%d", m.name, m.peer))
	}
	return strings.Join(list, ",")
}

// start runs the member as kubeadm's manifest does.
func (m *member) start(state string) {
	t := m.w.t
	certificate, key, authority := filepath.Join(m.w.pki, "etcd/healthcheck-client.crt"), filepath.Join(m.w.pki, "etcd/healthcheck-client.key"), filepath.Join(m.w.pki, "etcd/ca.crt")
	client, peer := fmt.Sprintf("https://127.0.0.1:%d", m.client), fmt.Sprintf("https://127.0.0.1:%d", m.peer)
	m.said, m.ended = &bytes.Buffer{}, make(chan struct{})
	m.process = exec.Command(filepath.Join(m.w.bin, "etcd"), "--name", m.name, "--data-dir", m.data(), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", m.w.cluster(), "--initial-cluster-state", state,
		"--cert-file", certificate, "--key-file", key, "--trusted-ca-file", authority, "--client-cert-auth",
		"--peer-cert-file", certificate, "--peer-key-file", key, "--peer-trusted-ca-file", authority, "--unsafe-no-fsync", "--log-level", "warn")
	m.process.Stdout, m.process.Stderr = m.said, m.said
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := m.process, m.ended
	go func() { _ = process.Wait(); close(ended) }()
	t.Cleanup(func() { _ = process.Process.Kill(); <-ended })
}

func (m *member) stop() {
	_ = m.process.Process.Kill()
	<-m.ended
}

// etcdctl runs it against the member.
func (m *member) etcdctl(args ...string) (string, error) {
	command := exec.Command(filepath.Join(m.w.bin, "etcdctl"), append([]string{
		"--endpoints", fmt.Sprintf("https://127.0.0.1:%d", m.client), "--cacert", filepath.Join(m.w.pki, "etcd/ca.crt"), "--cert", filepath.Join(m.w.pki, "etcd/healthcheck-client.crt"),
		"--key", filepath.Join(m.w.pki, "etcd/healthcheck-client.key"),
	}, args...)...)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *member) must(args ...string) string {
	m.w.t.Helper()
	out, err := m.etcdctl(args...)
	if err != nil {
		m.w.t.Fatalf("%s: etcdctl %v: %v: %s", m.name, args, err, out)
	}
	return out
}

func (m *member) healthy() {
	m.w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if _, err := m.etcdctl("endpoint", "health"); err == nil {
			return
		}
		if time.Now().After(end) {
			m.w.t.Fatalf("%s is not healthy: %s", m.name, m.said)
		}
	}
}

// run runs a function of the library on the member's host.
func (m *member) run(call string, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(m.dir, "run-library"), strings.Fields(call)...)
	command.Env = append(append(os.Environ(), "PATH="+filepath.Join(m.dir, "bin")+":"+m.w.bin+":"+os.Getenv("PATH")), env...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	err := command.Run()
	if err != nil {
		err = fmt.Errorf("%s: %s: %w: %s", m.name, call, err, said.String())
	}
	return out.String(), errors.Join(err)
}

func (m *member) does(call string, env ...string) string {
	m.w.t.Helper()
	out, err := m.run(call, env...)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return out
}

func (m *member) condition() string {
	text, err := os.ReadFile(filepath.Join(m.dir, "condition"))
	if err != nil {
		m.w.t.Fatal(err)
	}
	return string(text)
}

// snapshots counts the backups with a tag.
func (w *world) snapshots(tag string) int {
	w.t.Helper()
	out := w.members[0].does("etcd_snapshots_of " + tag)
	return strings.Count(out, `"short_id"`)
}

func TestBackupAndBack(t *testing.T) {
	w := newWorld(t)
	one, two := w.members[0], w.members[1]
	for _, m := range w.members {
		file := filepath.Join(m.dir, "library.sh")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, string(text)+"\netcd_snapshots_of() { etcd_settings; etcd_restic snapshots --json --tag \"$1\"; }\n")
	}
	one.must("put", "/registry/a", "first")

	// Both run the round; one of them takes the backup, and each ships its own audit log.
	one.does("etcd_round")
	two.does("etcd_round")
	for tag, want := range map[string]int{"etcd": 1, "audit,one": 1, "audit,two": 1} {
		if got := w.snapshots(tag); got != want {
			t.Errorf("%d backups of %s after a round on each member, want %d", got, tag, want)
		}
	}
	if got := one.condition(); !strings.Contains(got, `"status":"False","reason":"Healthy"`) {
		t.Errorf("all is well, and the Node says %s", got)
	}
	// What left the host is noise to whoever reads the bucket.
	list, err := w.backend.ListBucket("backup", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Contents) < 5 {
		t.Fatalf("the bucket has %d objects", len(list.Contents))
	}
	for _, object := range list.Contents {
		body := w.object(object.Key)
		for _, clear := range []string{"/registry/a", "the keys of Secrets", "audited on"} {
			if bytes.Contains(body, []byte(clear)) {
				t.Errorf("object %s holds %q in clear", object.Key, clear)
			}
		}
	}

	one.must("put", "/registry/a", "second")
	one.must("put", "/registry/b", "after the backup")
	before := revision(t, one)
	id := strings.TrimSpace(two.does("etcd_newest_snapshot"))

	// A wrong password opens nothing, makes nothing, and is told.
	one.settings("some-other-password-of-20")
	if _, err := one.run("etcd_fetch " + id); err == nil || !strings.Contains(err.Error(), "cannot be read whole; nothing was changed") {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := os.Remove(filepath.Join(one.dir, "var/lib/havre/cluster/etcd-backup")); err != nil {
		t.Fatal(err)
	}
	if _, err := one.run("etcd_round"); err == nil || !strings.Contains(one.condition(), `"status":"True","reason":"CareFailed"`) {
		t.Errorf("a round with a wrong password: %v; the Node says %s", err, one.condition())
	}
	one.settings(password)

	// A cut object is noticed before anything stops.
	restore := w.cut()
	if _, err := one.run("etcd_fetch " + id); err == nil || !strings.Contains(err.Error(), "cannot be read whole; nothing was changed") {
		t.Errorf("with cut objects: %v", err)
	}
	if _, err := one.run("etcd_stop"); err == nil || !strings.Contains(err.Error(), "no backup was fetched; nothing was changed") {
		t.Errorf("a stop without a backup: %v", err)
	}
	restore()

	// The whole way, with the API away: what the hosts remember is enough.
	for _, m := range w.members {
		write(t, filepath.Join(m.dir, "settings.json"), "")
		m.does("etcd_fetch " + id)
		if _, err := m.run("etcd_put " + w.cluster()); err == nil || !strings.Contains(err.Error(), "still runs; nothing was changed") {
			t.Errorf("%s: data replaced under a running member: %v", m.name, err)
		}
	}
	for _, m := range w.members {
		m.stop()
	}
	write(t, filepath.Join(two.dir, "etc/kubernetes/pki/secrets.json"), "of another cluster\n")
	for _, m := range w.members {
		m.does("etcd_stop")
		m.does("etcd_put " + w.cluster())
	}
	for _, m := range w.members {
		m.start("existing")
	}
	for _, m := range w.members {
		m.healthy()
	}
	if got := two.must("get", "/registry/a", "--print-value-only"); got != "first" {
		t.Errorf("after the restore the key is %q, want what it was at the backup", got)
	}
	if got := two.must("get", "/registry/b", "--print-value-only"); got != "" {
		t.Errorf("a key written after the backup is there: %q", got)
	}
	if after := revision(t, one); after < before+1_000_000 {
		t.Errorf("revisions go on at %d after %d; watches would take old objects for new ones", after, before)
	}
	if text, err := os.ReadFile(filepath.Join(two.dir, "etc/kubernetes/pki/secrets.json")); err != nil || string(text) != "the keys of Secrets\n" {
		t.Errorf("the keys of Secrets are %q after the restore: %v", text, err)
	}
	if kept, err := filepath.Glob(filepath.Join(one.dir, "var/lib/havre/restore/before-*/member")); err != nil || len(kept) != 1 {
		t.Errorf("what was there before is kept in %v: %v", kept, err)
	}
}

// revision is the store's.
func revision(t *testing.T, m *member) int {
	t.Helper()
	return status(t, m, "revision")
}

// status is a number of the member's status.
func status(t *testing.T, m *member, name string) int {
	t.Helper()
	out := m.must("endpoint", "status", "-w", "json")
	_, after, _ := strings.Cut(out, `"`+name+`":`)
	var n int
	if _, err := fmt.Sscan(strings.TrimRight(after[:strings.IndexAny(after+",", ",}")], " "), &n); err != nil {
		t.Fatalf("%s of %s: %v", name, out, err)
	}
	return n
}

func (w *world) object(key string) []byte {
	w.t.Helper()
	object, err := w.backend.GetObject("backup", key, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer object.Contents.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(object.Contents); err != nil {
		w.t.Fatal(err)
	}
	return body.Bytes()
}

// cut takes the last bytes of every pack of data away, and gives the function that puts them back.
func (w *world) cut() func() {
	w.t.Helper()
	whole := map[string][]byte{}
	list, err := w.backend.ListBucket("backup", nil, gofakes3.ListBucketPage{})
	if err != nil {
		w.t.Fatal(err)
	}
	put := func(key string, body []byte) {
		if _, err := w.backend.PutObject("backup", key, map[string]string{}, bytes.NewReader(body), int64(len(body)), nil); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, object := range list.Contents {
		if strings.Contains(object.Key, "/data/") {
			whole[object.Key] = w.object(object.Key)
			put(object.Key, whole[object.Key][:len(whole[object.Key])/2])
		}
	}
	for _, m := range w.members {
		if err := os.RemoveAll(filepath.Join(m.dir, "var/cache")); err != nil {
			w.t.Fatal(err)
		}
	}
	return func() {
		for key, body := range whole {
			put(key, body)
		}
	}
}

func TestAlarmIsTold(t *testing.T) {
	w := newWorld(t)
	one := w.members[0]
	status := one.must("endpoint", "status", "-w", "json")
	if !strings.Contains(status, `"dbSizeInUse":`) || !strings.Contains(status, `"member_id":`) || !strings.Contains(status, `"leader":`) {
		t.Fatalf("etcdctl prints other fields than etcd.sh reads: %s", status)
	}
	one.does("etcd_round")
	// There is no way to raise one but to fill the store, which a small quota makes quick; the member that has one keeps it over its restart.
	one.stop()
	one.startSmall()
	one.healthy()
	value := strings.Repeat("x", 100<<10)
	for i := range 100 {
		if out, err := one.etcdctl("put", fmt.Sprintf("/registry/fill-%d", i), value); err != nil {
			if !strings.Contains(out, "database space exceeded") {
				t.Fatalf("filling: %v: %s", err, out)
			}
			break
		}
	}
	if _, err := one.run("etcd_round"); err == nil || !strings.Contains(one.condition(), `"status":"True","reason":"Alarm"`) || !strings.Contains(one.condition(), "NOSPACE") {
		t.Errorf("an alarm is raised: %v; the Node says %s", err, one.condition())
	}
}

// startSmall is start with room for little more than nothing.
func (m *member) startSmall() {
	m.w.t.Setenv("ETCD_QUOTA_BACKEND_BYTES", "4000000")
	m.start("existing")
}

func TestDefragmentationOneAtATime(t *testing.T) {
	w := newWorld(t)
	one := w.members[0]
	value := strings.Repeat("x", 100<<10)
	for i := range 80 {
		one.must("put", "/registry/large", value+fmt.Sprint(i))
	}
	one.must("compact", fmt.Sprint(revision(t, one)))
	for _, m := range w.members {
		// Compaction gives room back in the background; the file's size is what shows it, once the round has found it worth while.
		size := func() int { return status(t, m, "dbSize") }
		before := size()
		for end := time.Now().Add(patience); size() >= before/2; time.Sleep(200 * time.Millisecond) {
			m.does("etcd_round", "ETCD_DEFRAGMENT_ABOVE=1000000")
			if time.Now().After(end) {
				t.Fatalf("%s: the file has %d bytes, and %d before", m.name, size(), before)
			}
		}
		if got := m.condition(); !strings.Contains(got, `"reason":"Healthy"`) {
			t.Errorf("%s: after the defragmentation the Node says %s", m.name, got)
		}
	}
	if got := one.must("get", "/registry/large", "--print-value-only"); !strings.HasSuffix(got, "79") {
		t.Errorf("the key is lost: %.20q…", got)
	}
}
