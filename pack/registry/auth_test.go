package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

const (
	user     = "somebody"
	password = "a password that nobody must see"
	private  = "registry.example.com:443"
	tool     = "registry.example.com/tool:v1"
)

// locked returns a registry that wants a login.
func locked(auth string) *registrytest.Registry {
	return &registrytest.Registry{Auth: auth, User: user, Password: password}
}

// loggedIn gives a client one login, and counts who asks for others.
func loggedIn(c *registry.Client, want string) {
	loggedInWith(c, want, registry.Credential{Username: user, Password: password})
}

func loggedInWith(c *registry.Client, want string, cred registry.Credential) {
	c.Credentials = func(_ context.Context, host, _ string) (registry.Credential, error) {
		if host != want {
			return registry.Credential{}, nil
		}
		return cred, nil
	}
}

// A listener is a host that remembers who shows it credentials.
type listener struct {
	http.Handler
	mu   sync.Mutex
	seen []string
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
	form, _ := url.ParseQuery(string(body)) // be it one or not
	l.mu.Lock()
	if a := r.Header.Get("Authorization"); a != "" || strings.Contains(fmt.Sprint(form), password) {
		l.seen = append(l.seen, r.Method+" "+a+string(body))
	}
	l.mu.Unlock()
	if l.Handler != nil {
		l.Handler.ServeHTTP(w, r)
	}
}

func TestLoginOpensARegistry(t *testing.T) {
	for _, auth := range []string{"Basic", "Bearer"} {
		for _, test := range []struct{ host, name string }{{local, app}, {private, tool}} {
			t.Run(auth+" "+test.host, func(t *testing.T) {
				g := locked(auth)
				if test.host == private {
					g.Realm = "https://192.0.2.1/token" // not on this machine, nor in its network
				}
				inWorld(t, world{test.host: g, "192.0.2.1:443": g}, func(t *testing.T, c *registry.Client) {
					loggedIn(c, strings.TrimSuffix(test.host, ":443"))
					img := image(t, 2, 0)
					pushed(t, c, img, test.name)
					pulled(t, c, test.name)
					if got := how(pushed(t, c, img, strings.Replace(test.name, ":v1", "/other:v1", 1))); got != "mounted mounted mounted" {
						t.Errorf("in another repository blobs are %s", got)
					}
					if _, err := c.Tags(t.Context(), test.name); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A registry may deny what is not there yet to who does not want to write, and it
// may want a token for something else than what the protocol says.
func TestTokenIsAskedForOnceAndForAll(t *testing.T) {
	for _, scope := range []string{"", "repository:a/name/of/its/own:pull,push"} {
		g := locked("Bearer")
		g.Scope = scope
		var mu sync.Mutex
		var asked []string
		g.Fault = fault("GET", "/token", func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, strings.Join(r.URL.Query()["scope"], " "))
			return false
		})
		inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
			loggedIn(c, local)
			c.Parallel = 1
			pushed(t, c, image(t, 3, 0), app)
			if scope == "" && (len(asked) != 1 || asked[0] != "repository:team/app:pull,push") {
				t.Errorf("the token service was asked for %q", asked)
			}
			for _, r := range g.Requests() {
				if strings.HasPrefix(r, "PATCH 401") {
					t.Error(r)
				}
			}
		})
	}
}

func TestWithoutLoginTheRegistryStaysShut(t *testing.T) {
	for auth, want := range map[string]string{
		"Basic":  "pulling registry.example.com/tool: manifest v1: 401 Unauthorized: it asks for a user and a password",
		"Bearer": "pulling registry.example.com/tool: manifest v1: 401 Unauthorized: unauthorized: incorrect username or password",
	} {
		g := locked(auth)
		g.Realm = "https://registry.example.com/token"
		inWorld(t, world{private: g}, func(t *testing.T, c *registry.Client) {
			_, err := c.Pull(t.Context(), tool, v1.Platform{})
			fails(t, err, want)
			var status *registry.StatusError
			if !errors.As(err, &status) || status.Code != http.StatusUnauthorized {
				t.Errorf("%v is no StatusError of 401", err)
			}
		})
	}
}

func TestWrongLoginIsAnErrorThatDoesNotTellIt(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	for _, auth := range []string{"Basic", "Bearer"} {
		g := locked(auth)
		g.Password = "another"
		g.Realm = "https://registry.example.com/token"
		g.Fault = func(w http.ResponseWriter, r *http.Request) bool { // a registry that is not discreet
			if a := r.Header.Get("Authorization"); a != "" {
				registrytest.Fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "what is "+a+" and "+password+"?")
				return true
			}
			return false
		}
		inWorld(t, world{private: g}, func(t *testing.T, c *registry.Client) {
			loggedIn(c, "registry.example.com")
			_, err := c.Pull(t.Context(), tool, v1.Platform{})
			if err == nil || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), encoded) {
				t.Errorf("%s: got %v", auth, err)
			}
		})
	}
}

// Blobs are often kept by somebody else, to whom the registry sends us.
func TestCredentialsStayBehindOnARedirect(t *testing.T) {
	for _, auth := range []string{"Basic", "Bearer"} {
		for _, to := range []string{"https://cdn.example.com", "https://registry.example.com:8443", "https://192.0.2.9"} {
			t.Run(auth+" "+to, func(t *testing.T) {
				g := locked(auth)
				g.Realm = "https://registry.example.com/token"
				open := &registrytest.Registry{}
				cdn := &listener{Handler: open}
				moved := false
				g.Fault = fault("GET", "/blobs/", func(w http.ResponseWriter, r *http.Request) bool {
					if moved {
						http.Redirect(w, r, to+r.URL.Path+"?signature=opens-sesame", http.StatusTemporaryRedirect)
					}
					return moved
				})
				w := world{private: g, "cdn.example.com:443": cdn, "192.0.2.9:443": cdn}
				inWorld(t, w, func(t *testing.T, c *registry.Client) {
					loggedIn(c, "registry.example.com")
					img := image(t, 1, 0)
					pushed(t, c, img, tool)
					got := pulled(t, c, tool)
					d := got.Layers[0].Blob().Digest.String()
					open.Put("tool", d, "", g.Get("tool", d))
					moved = true
					err := written(got.Layers[0])
					if strings.HasSuffix(to, ":8443") {
						fails(t, err, "pulling registry.example.com/tool: layer DIGEST: dial registry.example.com:8443: no such host")
						return
					}
					if err != nil || len(open.Requests()) == 0 {
						t.Errorf("got %v", err)
					}
					if len(cdn.seen) > 0 {
						t.Errorf("it was shown %q", cdn.seen)
					}
					open.Fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true }
					fails(t, written(got.Layers[0]), "pulling registry.example.com/tool: layer DIGEST: 403 Forbidden")
					open.Fault = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
					if err := written(got.Layers[0]); err == nil || strings.Contains(err.Error(), "sesame") {
						t.Errorf("a signature is in %v", err)
					}
				})
			})
		}
	}
}

func TestTLSIsNotLeftOnARedirect(t *testing.T) {
	g := &registrytest.Registry{}
	plain := &listener{Handler: g}
	inWorld(t, world{private: g, "registry.example.com:80": plain}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), tool)
		img := pulled(t, c, tool)
		g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.TLS != nil {
				http.Redirect(w, r, "http://registry.example.com"+r.URL.Path, http.StatusTemporaryRedirect)
			}
			return r.TLS != nil
		}
		fails(t, written(img.Layers[0]),
			"pulling registry.example.com/tool: layer DIGEST: redirected from https to http at registry.example.com")
	})
}

// GHSA-jxpm-75mh-9fp7: whoever answers POST says where the bytes and the login go.
func TestUploadsStayWithTheRegistry(t *testing.T) {
	for _, to := range []string{"https://evil.example.com/", "https://registry.example.com:8443/", "http://registry.example.com/", "//evil.example.com/"} {
		evil := &listener{Handler: &registrytest.Registry{}}
		g := locked("Basic")
		g.Fault = fault("POST", "uploads", func(w http.ResponseWriter, r *http.Request) bool {
			if _, _, ok := r.BasicAuth(); !ok {
				return false
			}
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusAccepted)
			return true
		})
		inWorld(t, world{private: g, "evil.example.com:443": evil, "registry.example.com:80": evil}, func(t *testing.T, c *registry.Client) {
			loggedIn(c, "registry.example.com")
			c.Parallel = 1
			_, err := c.Push(t.Context(), image(t, 1, 0), tool)
			place := strings.TrimSuffix(to, "/")
			if strings.HasPrefix(place, "//") {
				place = "https:" + place
			}
			fails(t, err, "pushing to registry.example.com/tool: layer DIGEST: the registry wants it sent to another place, "+place)
			if len(evil.seen) > 0 {
				t.Errorf("it was shown %q", evil.seen)
			}
		})
	}
}

// GHSA-xf85-363p-868w and GHSA-mm27-wq9c-mxxr: a challenge says where the login goes.
func TestLoginDoesNotGoToAnyTokenService(t *testing.T) {
	for realm, want := range map[string]string{
		"http://registry.example.com/token": `bearer realm "http://registry.example.com/token" uses http but registry was contacted over https`,
		"http://169.254.169.254/token":      `bearer realm "http://169.254.169.254/token" uses http but registry was contacted over https`,
		"https://169.254.169.254/token":     `bearer realm host "169.254.169.254" is a loopback, link-local, private, unspecified, or carrier-grade NAT address`,
		"https://127.0.0.1/token":           `bearer realm host "127.0.0.1" is a loopback, link-local, private, unspecified, or carrier-grade NAT address`,
		"file:///etc/passwd":                `bearer realm "file:///etc/passwd" uses unsupported scheme "file"`,
	} {
		evil := &listener{}
		g := locked("Bearer")
		g.Realm = realm
		w := world{private: g, "registry.example.com:80": evil, "169.254.169.254:80": evil, "169.254.169.254:443": evil, "127.0.0.1:443": evil}
		inWorld(t, w, func(t *testing.T, c *registry.Client) {
			loggedIn(c, "registry.example.com")
			_, err := c.Pull(t.Context(), tool, v1.Platform{})
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if len(evil.seen) > 0 {
				t.Errorf("%s was shown %q", realm, evil.seen)
			}
		})
	}
}

// The pages of a list must not lead anywhere else either.
func TestListsStayWithTheRegistry(t *testing.T) {
	evil := &listener{}
	g := locked("Basic")
	g.Fault = fault("GET", "tags", func(w http.ResponseWriter, r *http.Request) bool {
		_, _, ok := r.BasicAuth()
		if ok {
			w.Header().Set("Link", `<https://evil.example.com/?signature=opens-sesame>; rel="next"`)
			_ = json.NewEncoder(w).Encode(map[string][]string{"tags": {"a"}})
		}
		return ok
	})
	inWorld(t, world{private: g, "evil.example.com:443": evil}, func(t *testing.T, c *registry.Client) {
		loggedIn(c, "registry.example.com")
		_, err := c.Tags(t.Context(), tool)
		fails(t, err, `listing the tags of registry.example.com/tool: invalid next link "https://evil.example.com/": `+
			`not the same origin as "https://registry.example.com/v2/tool/tags/list"`)
		if len(evil.seen) > 0 {
			t.Errorf("it was shown %q", evil.seen)
		}
	})
}

func TestLoginIsKeptAsDockerKeepsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "docker", "config.json")
	inWorld(t, world{private: locked("Basic")}, func(t *testing.T, c *registry.Client) {
		logins, err := registry.OpenLogins(file)
		if err != nil {
			t.Fatal(err)
		}
		wrong := registry.Credential{Username: user, Password: "wrong"}
		fails(t, logins.Login(t.Context(), c, "registry.example.com", wrong),
			"logging in to registry.example.com: 401 Unauthorized: unauthorized: authentication required")
		if _, err := os.Stat(file); err == nil {
			t.Error("a wrong login is kept")
		}
		if err := logins.Login(t.Context(), c, "registry.example.com", registry.Credential{Username: user, Password: password}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file is %v, %v", info.Mode(), err)
		}
		again, err := registry.OpenLogins(file)
		if err != nil {
			t.Fatal(err)
		}
		c.Credentials = again.Credentials
		pushed(t, c, image(t, 1, 0), tool)
		if err := again.Logout(t.Context(), "registry.example.com"); err != nil {
			t.Fatal(err)
		}
		if cred, err := again.Credentials(t.Context(), "registry.example.com", ""); err != nil || cred != (registry.Credential{}) {
			t.Errorf("after logging out there is %v, %v", cred, err)
		}
	})
}

func TestLoginOfDockerHubIsKeptUnderItsOldName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	inWorld(t, world{"registry-1.docker.io:443": locked("Basic")}, func(t *testing.T, c *registry.Client) {
		logins, err := registry.OpenLogins(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := logins.Login(t.Context(), c, "docker.io", registry.Credential{Username: user, Password: password}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), `"https://index.docker.io/v1/"`) {
			t.Errorf("got %s, %v", data, err)
		}
		c.Credentials = logins.Credentials
		pushed(t, c, image(t, 1, 0), "app")
	})
}

func TestLoginsOfDockerAreFound(t *testing.T) {
	dir := t.TempDir()
	helper := "#!/bin/sh\nread host\ncase $1,$host in\nget,helped.example.com) echo '{\"Username\":\"h\",\"Secret\":\"p\"}';;\n" +
		"get,token.example.com) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}';;\n*) echo credentials not found in native keychain; exit 1;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-harvesttest"), []byte(helper), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	file := filepath.Join(dir, "config.json")
	config := fmt.Sprintf(`{"auths":{"plain.example.com:5000":{"auth":%q},"https://index.docker.io/v1/":{"auth":%q}},
		"credHelpers":{"helped.example.com":"harvesttest","token.example.com":"harvesttest","none.example.com":"harvesttest"}}`,
		base64.StdEncoding.EncodeToString([]byte("a:b:c")), base64.StdEncoding.EncodeToString([]byte("hub:secret")))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	logins, err := registry.OpenLogins(file)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]registry.Credential{
		"plain.example.com:5000": {Username: "a", Password: "b:c"},
		"registry-1.docker.io":   {Username: "hub", Password: "secret"},
		"helped.example.com":     {Username: "h", Password: "p"},
		"token.example.com":      {RefreshToken: "t"},
		"none.example.com":       {},
		"other.example.com":      {},
	} {
		if got, err := logins.Credentials(t.Context(), host, "app"); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", host, got, err, want)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenLogins(file); err == nil || !strings.HasPrefix(err.Error(), "reading the logins in "+file) {
		t.Errorf("a broken file: %v", err)
	}
}

func TestLoginsOfPodmanAreFoundAfterThoseOfDocker(t *testing.T) {
	dir := t.TempDir()
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	auths := func(name string, keys ...string) string {
		list := make(map[string]map[string]string)
		for _, key := range keys {
			list[key] = map[string]string{"auth": encoded(name + ":" + key)}
		}
		data, err := json.Marshal(map[string]any{"auths": list})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	logins, err := registry.OpenLogins(auths("docker", "both.example.com"),
		filepath.Join(dir, "none"),
		auths("podman", "both.example.com", "one.example.com", "two.example.com:5000/team", "two.example.com:5000/team/app", "docker.io/own"),
		auths("later", "one.example.com", "two.example.com:5000"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"both.example.com/app":               "docker both.example.com",
		"one.example.com/app":                "podman one.example.com",
		"one.example.com/":                   "podman one.example.com",
		"two.example.com:5000/team/app":      "podman two.example.com:5000/team/app",
		"two.example.com:5000/team/app/more": "podman two.example.com:5000/team/app",
		"two.example.com:5000/team/other":    "podman two.example.com:5000/team",
		"two.example.com:5000/teamwork":      "later two.example.com:5000",
		"two.example.com:5000/":              "later two.example.com:5000",
		"registry-1.docker.io/own/app":       "podman docker.io/own",
		"registry-1.docker.io/library/app":   " ",
		"two.example.com/team/app":           " ",
	} {
		host, repository, _ := strings.Cut(name, "/")
		got, err := logins.Credentials(t.Context(), host, repository)
		if err != nil || got.Username+" "+got.Password != want {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, want)
		}
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenLogins(filepath.Join(dir, "docker"), broken); err == nil || !strings.HasPrefix(err.Error(), "reading the logins in "+broken) {
		t.Errorf("a broken file: %v", err)
	}
}

// Two repositories of a registry may be open to different people.
func TestEachRepositoryHasItsOwnLogin(t *testing.T) {
	g := &registrytest.Registry{}
	var seen []string
	g.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		name, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "manifests") {
			seen = append(seen, name+r.URL.Path)
		}
		return false
	}
	inWorld(t, world{private: g}, func(t *testing.T, c *registry.Client) {
		c.Credentials = func(_ context.Context, _, repository string) (registry.Credential, error) {
			return registry.Credential{Username: "user of " + repository, Password: password}, nil
		}
		pushed(t, c, image(t, 1, 0), "registry.example.com/a", "registry.example.com/b")
		if got, want := strings.Join(seen, ", "), "user of a/v2/a/manifests/latest, user of b/v2/b/manifests/latest"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestDockerHubIsSpokenToAtItsOwnHost(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{"registry-1.docker.io:443": g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), "app")
		if got := pulled(t, c, "docker.io/library/app:latest").Tags; got[0] != "docker.io/library/app:latest" {
			t.Errorf("the name is %q", got)
		}
	})
}
