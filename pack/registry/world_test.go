package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/rootfs"
)

// A world is a network of hosts, each "name:port" or "address:port", that is
// not there outside a test. Port 443 has TLS.
type world map[string]http.Handler

// inWorld runs a test in a network where waiting takes no time.
func inWorld(t *testing.T, w world, f func(t *testing.T, c *registry.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listeners := make(map[string]*pipeListener)
		for host, handler := range w {
			ctx, close := context.WithCancel(t.Context())
			l := &pipeListener{host: host, conns: make(chan net.Conn), ctx: ctx, close: close}
			listeners[host] = l
			s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}}
			if strings.HasSuffix(host, ":443") {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
		}
		transport := &http.Transport{
			DisableCompression: true,
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				l := listeners[addr]
				if l == nil {
					return nil, fmt.Errorf("dial %s: no such host", addr)
				}
				here, there := net.Pipe()
				l.conns <- there
				return here, nil
			},
		}
		defer func() {
			synctest.Wait()
			transport.CloseIdleConnections()
		}()
		f(t, &registry.Client{Transport: transport})
	})
}

// A pipeListener accepts connections that a test makes.
type pipeListener struct {
	host  string
	conns chan net.Conn
	ctx   context.Context
	close func()
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error    { l.close(); return nil }
func (l *pipeListener) Addr() net.Addr  { return l }
func (l *pipeListener) Network() string { return "pipe" }
func (l *pipeListener) String() string  { return l.host }

// local is the host of tests that have but one, and app a name there.
const (
	local = "127.0.0.1:5000"
	app   = local + "/team/app:v1"
)

// image returns an image of several layers, the last of which is n.
func image(t testing.TB, layers, n int) *pack.Image {
	t.Helper()
	epoch := time.Unix(1_000_000_000, 0)
	img := &pack.Image{Architecture: "amd64", OS: "linux", Created: epoch, Config: pack.Config{ImageConfig: v1.ImageConfig{Cmd: []string{"/bin/app"}}}}
	for i := range layers {
		seed := i
		if i == layers-1 {
			seed = n
		}
		img.Append(layer(t, fmt.Sprintf("/layer%d", i), 300_000, seed), fmt.Sprintf("layer %d", i))
	}
	return img
}

// layer returns a layer of one file.
func layer(t testing.TB, name string, size, seed int) pack.Layer {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), 1}).Read(data) // which never fails
	tree := &rootfs.Tree{}
	if err := tree.Add(rootfs.File(name, 0o755, data).For(rootfs.Reason{Kind: "test"})); err != nil {
		t.Fatal(err)
	}
	return pack.TreeLayer(tree, time.Unix(1_000_000_000, 0))
}

// archive returns an image as an archive without names: what it consists of.
func archive(t testing.TB, img *pack.Image) []byte {
	t.Helper()
	nameless := *img
	nameless.Tags = nil
	var b bytes.Buffer
	if _, err := pack.WriteArchive(&b, &nameless); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pushed pushes an image.
func pushed(t testing.TB, c *registry.Client, img *pack.Image, names ...string) *registry.Push {
	t.Helper()
	p, err := c.Push(t.Context(), img, names...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pulled pulls an image.
func pulled(t testing.TB, c *registry.Client, name string) *pack.Image {
	t.Helper()
	img, err := c.Pull(t.Context(), name, v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// how lists what became of each blob of a push.
func how(p *registry.Push) string {
	var words []string
	for _, t := range p.Transfers {
		words = append(words, t.How)
	}
	return strings.Join(words, " ")
}

// fails makes sure of an error's text, in which digests are DIGEST.
func fails(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s", want)
		return
	}
	if got := undigested(err.Error()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// undigested replaces each digest by DIGEST.
func undigested(s string) string {
	for {
		before, after, found := strings.Cut(s, "sha256:")
		n := strings.IndexFunc(after, func(c rune) bool { return !strings.ContainsRune("0123456789abcdef", c) })
		if n < 0 {
			n = len(after)
		}
		if !found || n != 64 {
			return s
		}
		s = before + "DIGEST" + after[64:]
	}
}

// written writes a layer and returns the error.
func written(l pack.Layer) error {
	_, err := l.WriteTo(io.Discard)
	return err
}

// fault is a registrytest fault for requests of a method whose path has a part.
func fault(method, part string, do func(w http.ResponseWriter, r *http.Request) bool) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == method && strings.Contains(r.URL.Path, part) && do(w, r)
	}
}

// send answers with some bytes, to whoever may still be there.
func send(w io.Writer, data []byte) { _, _ = w.Write(data) }
