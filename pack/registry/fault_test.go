package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

// often is a fault for the first n requests that it fits.
func often(n int, do func(w http.ResponseWriter, r *http.Request)) func(w http.ResponseWriter, r *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		hit := n > 0
		n--
		mu.Unlock()
		if hit {
			do(w, r)
		}
		return hit
	}
}

// hangUp breaks the connection.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func status(code int) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestRefusalsSayWhatAndWhere(t *testing.T) {
	denied := func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Fail(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
	}
	for _, test := range []struct {
		name, method, path string
		do                 func(w http.ResponseWriter, r *http.Request)
		push, pull         string // the error, "" for none
	}{
		{"403", "POST", "uploads", denied,
			"pushing to 127.0.0.1:5000/team/app: layer DIGEST: 403 Forbidden: denied: requested access to the resource is denied", ""},
		{"403 for a manifest", "PUT", "manifests", denied,
			"pushing to 127.0.0.1:5000/team/app: manifest v1: 403 Forbidden: denied: requested access to the resource is denied", ""},
		{"500", "PATCH", "uploads", status(http.StatusInternalServerError),
			"pushing to 127.0.0.1:5000/team/app: layer DIGEST: breaks off again and again: 500 Internal Server Error", ""},
		{"503 for a blob", "GET", "blobs", status(http.StatusServiceUnavailable), "",
			"pulling 127.0.0.1:5000/team/app: config DIGEST: 503 Service Unavailable"},
		{"404 for a blob", "GET", "blobs", status(http.StatusNotFound), "",
			"pulling 127.0.0.1:5000/team/app: config DIGEST: the registry has not got it"},
		{"429", "GET", "manifests", status(http.StatusTooManyRequests), "",
			"pulling 127.0.0.1:5000/team/app: manifest v1: 429 Too Many Requests"},
		{"429 for long", "GET", "manifests", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			registrytest.Fail(w, 429, "TOOMANYREQUESTS", "You have reached your pull rate limit")
		}, "", "pulling 127.0.0.1:5000/team/app: manifest v1: 429 Too Many Requests: toomanyrequests: You have reached your pull rate limit"},
		{"a digest that is not liked", "PUT", "uploads", func(w http.ResponseWriter, _ *http.Request) {
			registrytest.Fail(w, 400, "DIGEST_INVALID", "provided digest did not match uploaded content")
		}, "pushing to 127.0.0.1:5000/team/app: layer DIGEST: 400 Bad Request: digest invalid: provided digest did not match uploaded content", ""},
		{"plain text", "GET", "manifests", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "go\x1b[2J away\n\n"+strings.Repeat("!", 10_000), http.StatusBadRequest)
		}, "", "pulling 127.0.0.1:5000/team/app: manifest v1: 400 Bad Request: go[2J away " + strings.Repeat("!", 300-len("go[2J away ")) + "..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{}
			broken := false
			g.Fault = fault(test.method, test.path, func(w http.ResponseWriter, r *http.Request) bool {
				if broken {
					test.do(w, r)
				}
				return broken
			})
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				if test.pull != "" {
					pushed(t, c, image(t, 1, 0), app)
				}
				broken, c.Parallel = true, 1
				start := time.Now()
				defer func() {
					if took := time.Since(start); took > time.Minute {
						t.Errorf("it took %v to say so", took)
					}
				}()
				if test.pull != "" {
					_, err := c.Pull(t.Context(), app, v1.Platform{})
					fails(t, err, test.pull)
					return
				}
				_, err := c.Push(t.Context(), image(t, 1, 0), app)
				fails(t, err, test.push)
				if g.Get("team/app", "v1") != nil {
					t.Error("the tag is there")
				}
			})
		})
	}
}

func TestMissingThingsAreNamed(t *testing.T) {
	inWorld(t, world{local: &registrytest.Registry{}}, func(t *testing.T, c *registry.Client) {
		_, err := c.Pull(t.Context(), app, v1.Platform{})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: manifest v1: 404 Not Found: manifest unknown")
		var status *registry.StatusError
		if !errors.As(err, &status) || status.Code != http.StatusNotFound {
			t.Errorf("%v is no StatusError of 404", err)
		}
	})
}

func TestWhatIsNoRegistryIsCalledSo(t *testing.T) {
	v1only := http.NewServeMux()
	v1only.HandleFunc("/v1/_ping", func(w http.ResponseWriter, _ *http.Request) { send(w, []byte("true")) })
	inWorld(t, world{local: v1only}, func(t *testing.T, c *registry.Client) {
		_, pull := c.Pull(t.Context(), app, v1.Platform{})
		_, push := c.Push(t.Context(), image(t, 1, 0), app)
		_, tags := c.Tags(t.Context(), app)
		logins, err := registry.OpenLogins(t.TempDir() + "/config.json")
		if err != nil {
			t.Fatal(err)
		}
		login := logins.Login(t.Context(), c, local, registry.Credential{Username: "me", Password: "secret"})
		for i, err := range []error{pull, push, tags, login} {
			if !errors.Is(err, registry.ErrNoV2) {
				t.Errorf("%d: got %v", i, err)
			}
		}
		fails(t, pull, "pulling 127.0.0.1:5000/team/app: manifest v1: there is no registry that speaks version 2 of the protocol")
	})
}

func TestPlainHTTPIsSpokenWhereItIsSaid(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{"registry.example.com:5000": g}, func(t *testing.T, c *registry.Client) {
		const name = "registry.example.com:5000/app"
		c.Parallel = 1
		img := image(t, 1, 0)
		_, err := c.Push(t.Context(), img, name)
		if !errors.Is(err, registry.ErrPlainHTTP) || len(g.Requests()) > 0 {
			t.Errorf("got %v", err)
		}
		fails(t, err, "pushing to registry.example.com:5000/app: layer DIGEST: the registry speaks plain HTTP, not HTTPS")
	})
	inWorld(t, world{"registry.example.com:5000": g}, func(t *testing.T, c *registry.Client) {
		c.PlainHTTP = func(host string) bool { return host == "registry.example.com:5000" }
		pushed(t, c, image(t, 1, 0), "registry.example.com:5000/app")
	})
	inWorld(t, world{"127.0.0.1:443": g}, func(t *testing.T, c *registry.Client) {
		c.PlainHTTP = func(string) bool { return false }
		pushed(t, c, image(t, 1, 0), "127.0.0.1/app")
	})
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.9.9.9:80": true, "[::1]:5000": true, "[::1]": true,
		"docker.io": false, "10.0.0.1:5000": false, "localhost.example.com": false, "127.0.0.1.example.com:80": false, "[::2]:1": false, "": false,
	} {
		if got := registry.Loopback(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

func TestRegistryThatFailsAtRandomEndsComplete(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			g := &registrytest.Registry{NoResume: seed%2 == 0, NoRange: seed%3 == 0}
			inWorld(t, world{local: &moody{Handler: g, random: rand.New(rand.NewPCG(seed, 1))}}, func(t *testing.T, c *registry.Client) {
				c.Parallel = 1 // so that no blob has all the bad luck
				img := image(t, 4, 3)
				pushed(t, c, img, app)
				if got := pulled(t, c, app); !bytes.Equal(archive(t, got), archive(t, img)) {
					t.Error("it is another image")
				}
			})
		})
	}
}

// A moody handler fails now and then, but with one kind of request not more than
// twice in a row.
type moody struct {
	http.Handler
	mu     sync.Mutex
	random *rand.Rand
	failed map[string]int
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch mood, n := m.mood(r); mood {
	case 0:
		w.WriteHeader([]int{500, 502, 503, 504, 429, 408}[n%6])
		return
	case 1:
		panic(http.ErrAbortHandler)
	case 2:
		r.Body = &breaking{r.Body, n}
	case 3:
		w = &short{w, n}
	}
	m.Handler.ServeHTTP(w, r)
}

// mood returns 4 for a good one, and a number that says more of a bad one.
func (m *moody) mood(r *http.Request) (mood, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = make(map[string]int)
	}
	mood = min(m.random.IntN(8), 4)
	if m.failed[r.Method]++; mood == 4 || m.failed[r.Method] > 2 {
		m.failed[r.Method] = 0
		mood = 4
	}
	return mood, m.random.IntN(300_000)
}

// breaking is a body whose connection breaks after n bytes.
type breaking struct {
	io.ReadCloser
	n int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.n == 0 {
		panic(http.ErrAbortHandler)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}

func TestRetryAfterIsHeeded(t *testing.T) {
	for _, test := range []struct {
		value string
		want  time.Duration
	}{{"7", 7 * time.Second}, {"date", 9 * time.Second}} {
		t.Run(test.value, func(t *testing.T) {
			g := &registrytest.Registry{}
			g.Fault = fault("GET", "manifests", often(1, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.value)
				if test.value == "date" {
					now := time.Unix(1_700_000_000, 0) // by a clock of its own
					w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
					w.Header().Set("Retry-After", now.Add(9*time.Second).UTC().Format(http.TimeFormat))
				}
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				pushed(t, c, image(t, 1, 0), app)
				start := time.Now()
				pulled(t, c, app)
				if took := time.Since(start); took != test.want {
					t.Errorf("it came back after %v, want %v", took, test.want)
				}
			})
		})
	}
}

// halved makes GET requests for blobs break off after so many bytes.
type halved struct {
	http.Handler
	after, times int
}

func (h *halved) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && h.times > 0 {
		h.times--
		w = &short{w, h.after}
	}
	h.Handler.ServeHTTP(w, r)
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	if len(p) <= s.left {
		s.left -= len(p)
		return s.ResponseWriter.Write(p)
	}
	send(s.ResponseWriter, p[:s.left])
	http.NewResponseController(s.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

func TestBrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	for _, test := range []struct {
		name    string
		noRange bool
		times   int
		want    string // requests for the layer
		err     string
	}{
		{"once", false, 1, "200 206", ""},
		{"often", false, 2, "200 206 206", ""},
		{"without ranges", true, 2, "200 200 200", ""},
		{"for ever", true, 100, "200 200 200 200 200 200",
			"pulling 127.0.0.1:5000/team/app: layer DIGEST: breaks off after 100000 of 301568 bytes: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{NoRange: test.noRange}
			h := &halved{Handler: g, after: 100_000}
			inWorld(t, world{local: h}, func(t *testing.T, c *registry.Client) {
				img := image(t, 1, 0)
				pushed(t, c, img, app)
				got := pulled(t, c, app)
				h.times = test.times
				g.Requests()
				var b bytes.Buffer
				_, err := got.Layers[0].WriteTo(&b)
				var seen []string
				for _, r := range g.Requests() {
					seen = append(seen, strings.Fields(r)[1])
				}
				if got := strings.Join(seen, " "); got != test.want {
					t.Errorf("answers %s, want %s", got, test.want)
				}
				if test.err != "" {
					fails(t, err, test.err)
					return
				}
				var want bytes.Buffer
				if _, werr := img.Layers[0].WriteTo(&want); err != nil || werr != nil || !bytes.Equal(b.Bytes(), want.Bytes()) {
					t.Errorf("got %d bytes, want %d, %v, %v", b.Len(), want.Len(), err, werr)
				}
			})
		})
	}
}

// As long as each connection brings something, there may be any number of them.
func TestLongBlobMayBreakOftenOnItsWay(t *testing.T) {
	g := &registrytest.Registry{}
	h := &halved{Handler: g, after: 100_000, times: 1000}
	g.Fault = fault("PATCH", "uploads", func(_ http.ResponseWriter, r *http.Request) bool {
		r.Body = &halfBody{r.Body, 100_000}
		return false
	})
	inWorld(t, world{local: h}, func(t *testing.T, c *registry.Client) {
		img := image(t, 1, 0)
		img.Layers[0] = layer(t, "/long", 2_000_000, 1)
		pushed(t, c, img, app)
		if got := pulled(t, c, app); !bytes.Equal(archive(t, got), archive(t, img)) {
			t.Error("it is another image")
		}
	})
}

func TestBrokenUploadGoesOnWhereItBroke(t *testing.T) {
	for _, test := range []struct {
		name     string
		noResume bool
		fault    func(w http.ResponseWriter, r *http.Request) bool
		want     string // requests for the layer
	}{
		{"in the middle", false, fault("PATCH", "uploads", often(1, func(_ http.ResponseWriter, r *http.Request) {
			r.Body = &halfBody{r.Body, 100_000}
		})), "HEAD 404, POST 202, PATCH 200, HEAD 404, GET 204, PATCH 202, PUT 201"},
		{"in the middle, and is forgotten", true, fault("PATCH", "uploads", often(1, func(_ http.ResponseWriter, r *http.Request) {
			r.Body = &halfBody{r.Body, 100_000}
		})), "HEAD 404, POST 202, PATCH 200, HEAD 404, GET 404, POST 202, PATCH 202, PUT 201"},
		{"at its start", false, fault("PATCH", "uploads", often(1, hangUp)),
			"HEAD 404, POST 202, PATCH 200, HEAD 404, GET 204, POST 202, PATCH 202, PUT 201"},
		{"when its token has expired", false, fault("PATCH", "uploads", often(1, status(http.StatusUnauthorized))),
			"HEAD 404, POST 202, PATCH 401, HEAD 404, GET 204, POST 202, PATCH 202, PUT 201"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{NoResume: test.noResume}
			g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				return test.fault(w, r) && r.Body != nil && !isHalf(r.Body)
			}
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				c.Parallel = 1
				var done, total int64
				c.Progress = func(d, t int64) { done, total = d, t }
				img := image(t, 1, 0)
				pushed(t, c, img, app)
				var seen []string
				for _, r := range g.Requests() {
					if words := strings.Fields(r); strings.Contains(r, "blobs") {
						seen = append(seen, words[0]+" "+words[1])
					}
				}
				if got, want := strings.Join(seen, ", "), test.want+", HEAD 404, POST 202, PATCH 202, PUT 201"; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if done != total || done < 300_000 {
					t.Errorf("progress ends at %d of %d", done, total)
				}
				if got := pulled(t, c, app); !bytes.Equal(archive(t, got), archive(t, img)) {
					t.Error("it is another image")
				}
			})
		})
	}
}

// halfBody is a body that breaks off after n bytes, which the registry keeps.
type halfBody struct {
	io.ReadCloser
	n int
}

func (b *halfBody) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.n)]) // which ends if the body is not as long
	b.n -= n
	return n, err
}

func isHalf(r io.Reader) bool { _, ok := r.(*halfBody); return ok }

func TestBlobWhoseAnswerWasLostIsThere(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: &afterwards{g, fault("PUT", "uploads", often(1, hangUp))}}, func(t *testing.T, c *registry.Client) {
		c.Parallel = 1
		pushed(t, c, image(t, 1, 0), app)
		n := 0
		for _, r := range g.Requests() {
			if strings.HasPrefix(r, "PATCH") {
				n++
			}
		}
		if n != 2 {
			t.Errorf("layer and config were sent in %d requests", n)
		}
	})
}

// afterwards is a handler with a fault after each answer.
type afterwards struct {
	http.Handler
	fault func(w http.ResponseWriter, r *http.Request) bool
}

func (a *afterwards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Handler.ServeHTTP(w, r)
	a.fault(w, r)
}

func TestConnectionThatDoesNotMoveIsMadeAgain(t *testing.T) {
	for _, test := range []struct{ method, path string }{
		{"HEAD", "blobs"}, {"POST", "uploads"}, {"PATCH", "uploads"}, {"GET", "blobs"}, {"GET", "manifests"}, {"PUT", "manifests"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			g := &registrytest.Registry{}
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				end := make(chan struct{})
				defer close(end)
				g.Fault = fault(test.method, test.path, often(1, func(http.ResponseWriter, *http.Request) { <-end }))
				img := image(t, 1, 0)
				start := time.Now()
				pushed(t, c, img, app)
				if got := pulled(t, c, app); !bytes.Equal(archive(t, got), archive(t, img)) {
					t.Error("it is another image")
				}
				if took := time.Since(start); took < time.Minute || took > 11*time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestConnectionThatNeverMovesIsAnError(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), app)
		img := pulled(t, c, app)
		g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "301568")
			send(w, make([]byte, 1000))
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		fails(t, written(img.Layers[0]),
			"pulling 127.0.0.1:5000/team/app: layer DIGEST: breaks off after 1000 of 301568 bytes: nothing came or went for 1m0s")
	})
}

func TestErrorsOfOurOwnAreNotTriedAgain(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		img := image(t, 1, 0)
		blob, err := pack.WriteBlob(io.Discard, img.Layers[0], pack.Compression{})
		if err != nil {
			t.Fatal(err)
		}
		gone := errors.New("the disk is gone")
		img.Layers[0] = pack.BlobLayer(blob, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 100_000)), failing{gone})), nil
		})
		_, err = c.Push(t.Context(), img, app)
		if !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		fails(t, err, "pushing to 127.0.0.1:5000/team/app: layer DIGEST: the disk is gone")
		damaged := make([]byte, blob.Size)
		img.Layers[0] = pack.BlobLayer(blob, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(damaged)), nil })
		_, err = c.Push(t.Context(), img, app)
		fails(t, err, "pushing to 127.0.0.1:5000/team/app: layer DIGEST: layer DIGEST: has the digest DIGEST")
		patches := 0
		for _, r := range g.Requests() {
			if strings.HasPrefix(r, "PATCH") && strings.Contains(r, "uploads") {
				patches++
			}
		}
		if patches > 4 { // two of them are the config's
			t.Errorf("%d requests to send blobs", patches)
		}
		if g.Get("team/app", "v1") != nil {
			t.Error("the tag is there")
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestNothingGoesOnOnceTheContextIsDone(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), app)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		img, err := c.Pull(ctx, app, v1.Platform{})
		if err != nil {
			t.Fatal(err)
		}
		g.Fault = func(_ http.ResponseWriter, r *http.Request) bool { cancel(); <-r.Context().Done(); return true }
		if err := written(img.Layers[0]); !errors.Is(err, context.Canceled) {
			t.Errorf("pull: got %v", err)
		}
		if _, err = c.Push(ctx, image(t, 2, 9), app); !errors.Is(err, context.Canceled) {
			t.Errorf("push: got %v", err)
		}
	})
}
