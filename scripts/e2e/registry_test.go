package e2e

import (
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// registry starts Debian's docker-registry, with users if there is a file of
// them, and returns its host and port.
func (w *work) registry(htpasswd string) string {
	w.t.Helper()
	need(w.t, "docker-registry")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	config := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}}
http: {addr: %q}
`, w.t.TempDir(), host)
	if htpasswd != "" {
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", htpasswd)
	}
	cmd := w.command("docker-registry", "serve", w.write("registry.yml", config))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Wait() }) // it was interrupted
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			resp.Body.Close()
			return host
		}
		if time.Now().After(deadline) {
			w.t.Fatal("docker-registry does not answer")
		}
	}
}

// pushed is what harvest push --json says.
type pushed struct {
	Manifest string
	Blobs    []struct{ How string }
}

func (w *work) push(args ...string) (pushed, string) {
	w.t.Helper()
	var p pushed
	out := w.run("harvest", append([]string{"push", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		w.t.Fatalf("%v in\n%s", err, out)
	}
	var how []string
	for _, b := range p.Blobs {
		how = append(how, b.How)
	}
	return p, strings.Join(how, " ")
}

func TestPushedImageRunsInEngines(t *testing.T) {
	w := newWork(t)
	host := w.registry("")
	built := w.build("--bin", "/bin/bash", "--bin", "/bin/echo")
	for _, compress := range []string{"none", "gzip", "zstd"} {
		name := host + "/" + w.name + "/" + compress + ":v1"
		w.push("image.tar", name, "--compress", compress)
		for _, engine := range []string{"docker", "podman"} {
			t.Run(engine+" "+compress, func(t *testing.T) {
				need(t, engine)
				if engine == "docker" && compress == "zstd" && !w.dockerReadsZstd() {
					t.Skip("this docker does not read zstd")
				}
				w := w.in(t)
				w.forget(engine, name)
				pull := []string{"pull", "-q", name}
				if engine == "podman" {
					pull = append(pull, "--tls-verify=false")
				}
				w.run(engine, pull...)
				equal(t, "says", w.start(engine, name, "-c", "echo hello"), "hello\n")
				equal(t, "image ID", strings.TrimPrefix(w.run(engine, "image", "inspect", "-f", "{{.Id}}", name), "sha256:"),
					strings.TrimPrefix(built.ImageID, "sha256:")+"\n")
			})
		}
	}
	resp, err := http.Get("http://" + host + "/v2/_catalog")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	list, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "catalog", string(list), w.name+"/none", w.name+"/gzip", w.name+"/zstd")
	equal(t, "harvest catalog", w.run("harvest", "catalog", host), w.name+"/gzip\n"+w.name+"/none\n"+w.name+"/zstd\n")
	equal(t, "harvest tags", w.run("harvest", "tags", host+"/"+w.name+"/none"), "v1\n")
	need(t, "skopeo")
	equal(t, "skopeo inspect", w.run("skopeo", "inspect", "--tls-verify=false", "-f", "{{.Digest}}", "docker://"+host+"/"+w.name+"/none:v1"),
		built.Manifest+"\n")
}

// dockerReadsZstd reports whether docker is of version 23 or later.
func (w *work) dockerReadsZstd() bool {
	var major int
	_, err := fmt.Sscanf(w.run("docker", "version", "-f", "{{.Server.Version}}"), "%d", &major)
	return err == nil && major >= 23
}

func TestSecondPushSendsTheChangedLayer(t *testing.T) {
	w := newWork(t)
	host := w.registry("")
	for _, dir := range []string{"a", "b", "c", "d", "app"} {
		w.run("mkdir", dir)
		w.write(dir+"/file", w.name+dir)
	}
	w.run("harvest", "pack", "a", "b", "c", "d", "-o", "base.tar", "-q")
	_, how := w.push("base.tar", host+"/base:v1")
	equal(t, "four layers and a config", how, "sent sent sent sent sent")

	// Ours goes upon a base from the registry, whose layers are there.
	w.run("harvest", "pull", host+"/base:v1", "-o", "pulled.tar", "-q")
	w.run("harvest", "--from", "pulled.tar", "--bin", "/bin/bash", "-o", "image.tar", "-q")
	_, how = w.push("image.tar", host+"/base:v2")
	equal(t, "upon the base", how, "present present present present sent sent")

	w.write("d/file", "changed")
	w.run("harvest", "pack", "a", "b", "c", "d", "-o", "base.tar", "-q")
	_, how = w.push("base.tar", host+"/base:v1")
	equal(t, "one layer changed", how, "present present present sent sent")
}

func TestIndexIsReadByEveryone(t *testing.T) {
	w := newWork(t)
	need(t, "skopeo")
	host := w.registry("")
	other := newWork(t)
	otherHost := other.registry("")
	for _, arch := range []string{"amd64", "arm64"} {
		w.run("mkdir", arch)
		w.write(arch+"/file", w.name+arch)
		w.run("harvest", "pack", arch, "--platform", "linux/"+arch, "-o", arch+".tar", "-q")
	}
	w.run("harvest", "index", "amd64.tar", "arm64.tar", "-o", "multi", "-q")
	p, _ := w.push("multi", host+"/multi:v1")
	for _, arch := range []string{"amd64", "arm64"} {
		equal(t, "skopeo reads", w.run("skopeo", "inspect", "--tls-verify=false", "--override-arch", arch, "-f", "{{.Architecture}}",
			"docker://"+host+"/multi:v1"), arch+"\n")
		w.run("harvest", "pull", host+"/multi:v1", "--platform", "linux/"+arch, "-o", "type=rootfs,dest=root-"+arch, "-q")
		equal(t, "its file", w.run("cat", "root-"+arch+"/file"), w.name+arch)
	}
	w.run("harvest", "copy", host+"/multi:v1", otherHost+"/copy:v1", "-q")
	raw := w.run("skopeo", "inspect", "--tls-verify=false", "--raw", "docker://"+otherHost+"/copy:v1")
	equal(t, "digest of the copy", w.run("skopeo", "manifest-digest", w.write("raw.json", raw)), p.Manifest+"\n")

	// And what skopeo has pushed, harvest pulls.
	w.run("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false", "oci:multi", "docker://"+host+"/skopeo:v1")
	w.run("harvest", "pull", host+"/skopeo:v1", "--platform", "linux/arm64", "-o", "type=rootfs,dest=root-skopeo", "-q")
	equal(t, "its file", w.run("cat", "root-skopeo/file"), w.name+"arm64")
}

// A lineBreaker passes connections on to a registry, and cuts each of the first
// few after so many bytes from one side.
type lineBreaker struct {
	net.Listener
	to    string
	after int64
	cuts  atomic.Int32
}

func breakLines(t *testing.T, to string, after int64, cuts int) *lineBreaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &lineBreaker{Listener: l, to: to, after: after}
	b.cuts.Store(int32(cuts))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(c)
		}
	}()
	return b
}

func (b *lineBreaker) pass(here net.Conn) {
	defer here.Close()
	there, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer there.Close()
	end := make(chan bool, 2)
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		go func() {
			n, _ := io.Copy(way[0], io.LimitReader(way[1], b.after)) // its error is the end of the connection
			if n == b.after && b.cuts.Add(-1) < 0 {
				_, _ = io.Copy(way[0], way[1])
			}
			end <- true
		}()
	}
	<-end
}

func TestBrokenConnectionsAreMadeAgain(t *testing.T) {
	w := newWork(t)
	host := w.registry("")
	w.run("mkdir", "big")
	big := make([]byte, 8<<20)
	if _, err := crand.Read(big); err != nil {
		t.Fatal(err)
	}
	w.write("big/file", string(big))
	w.run("harvest", "pack", "big", "-o", "big.tar", "-q")

	up := breakLines(t, host, 3<<20, 2)
	p, _ := w.push("big.tar", up.Addr().String()+"/big:v1")
	down := breakLines(t, host, 3<<20, 2)
	w.run("harvest", "pull", down.Addr().String()+"/big:v1", "-o", "type=oci,dest=got", "-q")
	w.run("harvest", "verify", "got", "-q")
	contains(t, "what came back", w.run("harvest", "inspect", "got"), p.Manifest)
	if up.cuts.Load() > 0 || down.cuts.Load() > 0 {
		t.Errorf("%d and %d connections were not cut", up.cuts.Load(), down.cuts.Load())
	}
	w.run("harvest", "pull", host+"/big:v1", "-o", "type=rootfs,dest=root", "-q")
	w.run("cmp", "big/file", "root/file")
}

// A moodyProxy stands before a registry, and fails at random: it has no time, it
// hangs up, or it breaks off in the middle of an answer. It does so with a request
// less often than harvest tries it again.
type moodyProxy struct {
	*httputil.ReverseProxy
	failed atomic.Int32
	times  sync.Map // by method and path
}

// fails says whether to fail.
func (p *moodyProxy) fails(r *http.Request, odds int) bool {
	n, _ := p.times.LoadOrStore(r.Method+r.URL.Path, new(atomic.Int32))
	if rand.IntN(odds) > 0 || n.(*atomic.Int32).Add(1) > 4 {
		return false
	}
	p.failed.Add(1)
	return true
}

func (p *moodyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.fails(r, 3) {
		p.ReverseProxy.ServeHTTP(w, r)
		return
	}
	if rand.IntN(2) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// A halfAnswer is an answer that breaks off.
type halfAnswer struct {
	io.ReadCloser
	left int64
}

func (h *halfAnswer) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

func moodyRegistry(t *testing.T, host string) (*moodyProxy, string) {
	p := &moodyProxy{ReverseProxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})}
	p.ErrorLog = log.New(io.Discard, "", 0)
	p.ModifyResponse = func(resp *http.Response) error {
		if resp.Request.Method == http.MethodGet && resp.ContentLength > 0 && p.fails(resp.Request, 4) {
			resp.Body = &halfAnswer{resp.Body, resp.ContentLength / 2}
		}
		return nil
	}
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = p.ErrorLog
	s.Start()
	t.Cleanup(s.Close)
	return p, s.Listener.Addr().String()
}

func TestRegistryThatFailsAtRandomEndsComplete(t *testing.T) {
	w := newWork(t)
	host := w.registry("")
	var names []string
	for i := range 8 {
		name := fmt.Sprintf("l%d", i)
		names = append(names, name)
		w.run("mkdir", name)
		w.write(name+"/"+name, strings.Repeat(w.name+name, 50_000))
	}
	w.run("harvest", append([]string{"pack", "-o", "image.tar", "-q"}, names...)...)
	proxy, moody := moodyRegistry(t, host)
	p, _ := w.push("image.tar", moody+"/app:v1")
	if _, how := w.push("image.tar", host+"/app:v1"); how != strings.Repeat("present ", 8)+"present" {
		t.Errorf("of the blobs there are: %s", how)
	}
	w.run("harvest", "pull", moody+"/app:v1", "-o", "type=oci,dest=layout", "-q")
	w.run("harvest", "verify", "layout", "-q")
	contains(t, "what came back", w.run("harvest", "inspect", "layout"), p.Manifest)
	equal(t, "tags", w.run("harvest", "tags", moody+"/app"), "v1\n")
	if proxy.failed.Load() < 3 {
		t.Errorf("it failed but %d times", proxy.failed.Load())
	}
}

func TestEachLayerIsPulledOnce(t *testing.T) {
	w := newWork(t)
	host := w.registry("")
	for _, dir := range []string{"a", "b", "c"} {
		w.run("mkdir", dir)
		w.write(dir+"/"+dir, w.name+dir)
	}
	w.run("harvest", "pack", "a", "b", "c", "-o", "image.tar", "-q")
	w.push("image.tar", host+"/plain:v1")
	w.push("image.tar", host+"/small:v1", "--compress", "gzip")
	var blobs atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			blobs.Add(1)
		}
		proxy.ServeHTTP(rw, r)
	}))
	defer s.Close()
	for _, name := range []string{"plain", "small"} {
		for i, output := range [][]string{
			{"-o", "archive.tar"}, {"-o", "type=oci"}, {"-o", "type=rootfs"}, {"-o", "docker.tar", "--format", "docker"}, {"-o", "v1.tar", "--format", "v1"},
		} {
			if strings.HasPrefix(output[1], "type=") {
				output[1] += fmt.Sprintf(",dest=%s%d", name, i)
			}
			blobs.Store(0)
			w.run("harvest", append([]string{"pull", s.Listener.Addr().String() + "/" + name + ":v1", "-q"}, output...)...)
			if n := blobs.Load(); n != 4 {
				t.Errorf("%s %s: %d requests for three layers and a config", name, strings.Join(output, " "), n)
			}
		}
	}
}

func TestLoginIsDockersOwn(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	// The password is "a secret".
	const users = "somebody:$2b$04$hVmwje9UdbVxwnHURIl5RezOfjVggEa5qixIMcHCt3SIpwT7uqoB6\n"
	host := w.registry(w.write("users", users))
	w.build("--bin", "/bin/bash")
	name := host + "/" + w.image
	t.Setenv("DOCKER_CONFIG", w.path("docker"))
	contains(t, "without a login", w.fails("push", "image.tar", name), "401 Unauthorized", "harvest login")

	login := w.command("docker", "login", host, "-u", "somebody", "--password-stdin")
	login.Stdin = strings.NewReader("a secret")
	w.output(login)
	w.run("harvest", "push", "image.tar", name, "-q")
	w.run("docker", "logout", host)
	contains(t, "after docker logout", w.fails("pull", name), "401 Unauthorized")

	login = w.command("harvest", "login", host, "-u", "somebody")
	login.Stdin = strings.NewReader("a secret\n")
	w.output(login)
	w.forget("docker", name)
	w.run("docker", "pull", "-q", name)
	equal(t, "says", w.start("docker", name, "-c", "echo hello"), "hello\n")
	w.run("harvest", "logout", host)
	if out, err := exec.Command("docker", "pull", "-q", name).CombinedOutput(); err == nil {
		t.Errorf("after harvest logout docker pulls\n%s", out)
	}
}
