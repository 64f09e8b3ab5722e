package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

// answers lists method and status of the requests whose path has a part.
func answers(g *registrytest.Registry, part string) string {
	var list []string
	for _, r := range g.Requests() {
		if words := strings.Fields(r); strings.Contains(words[2], part) {
			list = append(list, words[0]+" "+words[1])
		}
	}
	return strings.Join(list, ", ")
}

// A tokenService gives out tokens that last a minute, and lets nobody in without.
type tokenService struct {
	*registrytest.Registry
	slow time.Duration // that the registry takes for each PATCH
}

func (s *tokenService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		_ = json.NewEncoder(w).Encode(map[string]string{"token": strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)})
		return
	}
	end, err := strconv.ParseInt(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), 10, 64)
	if err != nil || time.Now().Unix() > end {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="registry"`, r.Host))
		registrytest.Fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	if r.Method == http.MethodPatch {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		time.Sleep(s.slow)
		r.Body = io.NopCloser(bytes.NewReader(data))
	}
	s.Registry.ServeHTTP(w, r)
}

// Docker Hub's tokens last five minutes, some layers take longer.
func TestTokenMayEndWhileABlobIsSent(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: &tokenService{g, 2 * time.Minute}}, func(t *testing.T, c *registry.Client) {
		c.Parallel = 1
		pushed(t, c, image(t, 1, 0), app)
		if got, want := answers(g, "uploads"), "POST 202, PATCH 202, PUT 201, POST 202, PATCH 202, PUT 201"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A registry may say that it has more of a broken upload than it has.
func TestSessionThatLiesIsNotTakenUpAgain(t *testing.T) {
	g := &registrytest.Registry{}
	broken := fault("PATCH", "uploads", often(1, hangUp))
	g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "uploads") {
			w.Header().Set("Range", "0-99999")
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		if strings.HasPrefix(r.Header.Get("Content-Range"), "100000-") {
			r.Header.Del("Content-Range") // and it takes what is sent then
		}
		return broken(w, r)
	}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		c.Parallel = 1
		img := image(t, 1, 0)
		pushed(t, c, img, app)
		want := "POST 202, PATCH 200, GET 204, PATCH 202, PUT 400, POST 202, PATCH 202, PUT 201, POST 202, PATCH 202, PUT 201"
		if got := answers(g, "uploads"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := pulled(t, c, app); !bytes.Equal(archive(t, got), archive(t, img)) {
			t.Error("it is another image")
		}
	})
}

func TestRetryAfterIsHeededWhereABodyIsSent(t *testing.T) {
	for after, want := range map[string]time.Duration{"40": 40 * time.Second, "3600": 0} {
		g := &registrytest.Registry{Fault: fault("PATCH", "uploads", often(1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		}))}
		inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
			c.Parallel = 1
			start := time.Now()
			_, err := c.Push(t.Context(), image(t, 1, 0), app)
			if want == 0 {
				fails(t, err, "pushing to 127.0.0.1:5000/team/app: layer DIGEST: 429 Too Many Requests")
			} else if err != nil {
				t.Error(err)
			}
			if got := time.Since(start).Round(time.Second); got != want {
				t.Errorf("Retry-After %s: it took %v, want %v", after, got, want)
			}
		})
	}
}

// What a registry says of a session may be signed, to the letter.
func TestAddressOfASessionIsLeftAsItIs(t *testing.T) {
	const state = "z=1&a=b;c&%7e"
	g := &registrytest.Registry{}
	var got string
	g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			w.Header().Set("Location", "?"+state)
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		if r.Method == http.MethodPut && got == "" {
			got = r.URL.RawQuery
		}
		return false
	}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		c.Parallel = 1
		_, _ = c.Push(t.Context(), image(t, 1, 0), app) // which fails, as the registry has thrown the bytes away
		if want := state + "&digest=sha256%3A"; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s...", got, want)
		}
	})
}

// Contents, too, go nowhere but to the registry.
func TestNothingIsSentWhereARedirectLeads(t *testing.T) {
	for _, test := range []struct{ method, part, what string }{
		{"POST", "uploads", "layer DIGEST"},
		{"PUT", "uploads", "layer DIGEST"},
		{"PUT", "manifests", "manifest v1"},
	} {
		evil := &registrytest.Registry{}
		g := &registrytest.Registry{Fault: fault(test.method, test.part, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://evil.example.com"+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		})}
		inWorld(t, world{private: g, "evil.example.com:443": evil}, func(t *testing.T, c *registry.Client) {
			c.Parallel = 1
			_, err := c.Push(t.Context(), image(t, 1, 0), tool)
			fails(t, err, "pushing to registry.example.com/tool: "+test.what+": the registry wants it sent to another place, https://evil.example.com")
			if r := evil.Requests(); len(r) > 0 {
				t.Errorf("%s %s: it was asked %q", test.method, test.part, r)
			}
		})
	}
}

// A registry on this machine is spoken to in the clear; whom it names is not.
func TestLoginGoesNowhereInTheClear(t *testing.T) {
	for _, cred := range []registry.Credential{{Username: user, Password: password}, {RefreshToken: password}} {
		evil := &listener{}
		g := locked("Bearer")
		g.Realm = "http://192.0.2.7/token"
		inWorld(t, world{local: g, "192.0.2.7:80": evil}, func(t *testing.T, c *registry.Client) {
			loggedInWith(c, local, cred)
			_, err := c.Pull(t.Context(), app, v1.Platform{})
			fails(t, err, `pulling 127.0.0.1:5000/team/app: manifest v1: GET "http://127.0.0.1:5000/v2/team/app/manifests/v1": a login would go unencrypted to 192.0.2.7`)
			if len(evil.seen) > 0 {
				t.Errorf("it was shown %q", evil.seen)
			}
			c.PlainHTTP = func(string) bool { return true }
			_, _ = c.Pull(t.Context(), app, v1.Platform{})
			if len(evil.seen) == 0 {
				t.Error("it was not asked although that was allowed")
			}
		})
	}
}

// The transport tries requests again; an answer that breaks off is none of its business.
func TestBrokenDocumentsAreReadAgain(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ociImage)
		w.Header().Set("Content-Length", "500")
		send(w, []byte(`{"schemaVersion`))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for _, times := range []int{3, 100} {
		g := &registrytest.Registry{}
		g.Fault = func(w http.ResponseWriter, r *http.Request) bool { return false }
		inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
			pushed(t, c, image(t, 1, 0), app)
			for _, ask := range []struct {
				part, want string
				do         func() error
			}{
				{"manifests", "pulling 127.0.0.1:5000/team/app: manifest v1: unexpected EOF", func() error {
					_, err := c.Pull(t.Context(), app, v1.Platform{})
					return err
				}},
				{"tags", "listing the tags of 127.0.0.1:5000/team/app: ", func() error {
					tags, err := c.Tags(t.Context(), app)
					if err == nil && len(tags) != 1 {
						t.Errorf("tags %q", tags)
					}
					return err
				}},
				{"_catalog", "listing the repositories of 127.0.0.1:5000: ", func() error {
					_, err := c.Catalog(t.Context(), local)
					return err
				}},
			} {
				g.Fault = fault("GET", ask.part, often(times, cut))
				err := ask.do()
				switch {
				case times > 5 && (err == nil || !strings.HasPrefix(err.Error(), ask.want)):
					t.Errorf("%s: got %v, want %s", ask.part, err, ask.want)
				case times < 5 && err != nil:
					t.Errorf("%s: %v", ask.part, err)
				}
			}
		})
	}
}

// One name must not stand for an image of which the other lacks a part.
func TestNoNameIsWrittenBeforeAllIsThere(t *testing.T) {
	good := &registrytest.Registry{}
	bad := &registrytest.Registry{Fault: fault("PUT", "uploads", func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})}
	inWorld(t, world{local: good, private: bad}, func(t *testing.T, c *registry.Client) {
		_, err := c.Push(t.Context(), image(t, 1, 0), app, tool)
		if err == nil || good.Get("team/app", "v1") != nil {
			t.Errorf("got %v, and the first name stands for %s", err, good.Get("team/app", "v1"))
		}
	})
}

// A password may be part of a token.
func TestLongerSecretIsHiddenWhole(t *testing.T) {
	const long = password + " and more of it"
	g := &registrytest.Registry{Fault: func(w http.ResponseWriter, _ *http.Request) bool {
		registrytest.Fail(w, http.StatusForbidden, "DENIED", "not with "+long)
		return true
	}}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		logins := func(p string) registry.Credential {
			return registry.Credential{Username: user, Password: p, RefreshToken: long}
		}
		l, err := registry.OpenLogins(t.TempDir() + "/config.json")
		if err != nil {
			t.Fatal(err)
		}
		fails(t, l.Login(t.Context(), c, local, logins(password)), "logging in to 127.0.0.1:5000: 403 Forbidden: denied: not with (secret)")
	})
}
