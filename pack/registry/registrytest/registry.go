// Package registrytest is a registry in memory, for tests. It does what the OCI
// distribution specification says, until a test has it do otherwise.
package registrytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// A Registry is an [http.Handler]. Its fields must be set before the first
// request.
type Registry struct {
	Auth           string // "" for none, "Basic", "Bearer"
	User, Password string // what it, or its token service, accepts
	Scope          string // that its challenge names; "" for none
	Realm          string // URL of the token service: any that leads here, with the path /token
	PageSize       int    // of lists; 0 for one page
	NoMount        bool   // mounting opens an upload instead
	NoRange        bool   // blobs are sent whole
	NoResume       bool   // uploads that break are forgotten

	// Fault may answer a request in place of the registry, and then returns true.
	// It may also change the request.
	Fault func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	blobs    map[string][]byte // by repository and digest
	uploads  map[string][]byte
	opened   int
	served   map[string]manifest // by repository and tag or digest
	requests []string
}

type manifest struct {
	mediaType string
	data      []byte
}

// Requests returns the requests so far, as "PATCH 202 app/blobs/uploads/1", in
// the order of their answers, and forgets them.
func (g *Registry) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.requests
	g.requests = nil
	return list
}

// Put stores a manifest, under a tag or digest, or with mediaType "" a blob.
func (g *Registry) Put(repo, ref, mediaType string, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init()
	if mediaType == "" {
		g.blobs[repo+"@"+ref] = data
		return
	}
	g.served[repo+"@"+ref] = manifest{mediaType, data}
}

// Get returns what is stored under a tag or a digest, nil if nothing is.
func (g *Registry) Get(repo, ref string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.served[repo+"@"+ref]; ok {
		return m.data
	}
	return g.blobs[repo+"@"+ref]
}

func (g *Registry) init() {
	if g.blobs == nil {
		g.blobs, g.uploads, g.served = make(map[string][]byte), make(map[string][]byte), make(map[string]manifest)
	}
}

// A recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP answers a request.
func (g *Registry) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &recorder{rw, http.StatusOK}
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.requests = append(g.requests, fmt.Sprintf("%s %d %s", r.Method, w.status, strings.TrimPrefix(r.URL.Path, "/v2/")))
	}()
	if g.Fault != nil && g.Fault(w, r) {
		return
	}
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	if !g.allows(r) {
		g.challenge(w, r)
		return
	}
	g.route(w, r)
}

var (
	blobPath     = regexp.MustCompile(`^/v2/(.+)/blobs/(sha256:[0-9a-f]{64})$`)
	uploadPath   = regexp.MustCompile(`^/v2/(.+)/blobs/uploads/([0-9]*)$`)
	manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/(.+)$`)
	tagsPath     = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
)

func (g *Registry) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if m := uploadPath.FindStringSubmatch(path); m != nil {
		g.upload(w, r, m[1], m[2])
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init()
	if path == "/v2/" {
		return
	}
	if path == "/v2/_catalog" {
		g.list(w, r, "repositories", g.repositories())
	} else if m := blobPath.FindStringSubmatch(path); m != nil {
		g.blob(w, r, m[1]+"@"+m[2])
	} else if m := manifestPath.FindStringSubmatch(path); m != nil {
		g.manifest(w, r, m[1], m[2])
	} else if m := tagsPath.FindStringSubmatch(path); m != nil {
		g.list(w, r, "tags", g.tags(m[1]))
	} else {
		Fail(w, http.StatusNotFound, "NAME_UNKNOWN", "there is no "+path)
	}
}

// Fail answers with an error in the form that the specification gives it.
func Fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

func (g *Registry) blob(w http.ResponseWriter, r *http.Request, key string) {
	data, ok := g.blobs[key]
	if !ok {
		Fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	status := http.StatusOK
	var from int
	if span := r.Header.Get("Range"); span != "" && !g.NoRange {
		if _, err := fmt.Sscanf(span, "bytes=%d-", &from); err != nil || from >= len(data) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		status = http.StatusPartialContent
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(data[from:])
	}
}

func (g *Registry) manifest(w http.ResponseWriter, r *http.Request, repo, ref string) {
	if r.Method == http.MethodPut {
		data, err := io.ReadAll(r.Body)
		if missing := g.missing(repo, data); err != nil || missing != "" {
			Fail(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", missing)
			return
		}
		d := digest.FromBytes(data).String()
		m := manifest{r.Header.Get("Content-Type"), data}
		g.served[repo+"@"+ref], g.served[repo+"@"+d] = m, m
		w.Header().Set("Docker-Content-Digest", d)
		w.WriteHeader(http.StatusCreated)
		return
	}
	m, ok := g.served[repo+"@"+ref]
	if !ok {
		Fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(m.data).String())
	_, _ = w.Write(m.data)
}

// missing returns what a manifest leads to and the repository has not got.
func (g *Registry) missing(repo string, data []byte) string {
	type descriptor struct{ Digest string }
	var m struct {
		Config            descriptor
		Layers, Manifests []descriptor
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err.Error()
	}
	for _, d := range append(m.Layers, m.Config) {
		if _, ok := g.blobs[repo+"@"+d.Digest]; !ok && d.Digest != "" {
			return d.Digest
		}
	}
	for _, d := range m.Manifests {
		if _, ok := g.served[repo+"@"+d.Digest]; !ok {
			return d.Digest
		}
	}
	return ""
}

// upload is one step of sending a blob. It locks only what it must, as bodies
// may take their time.
func (g *Registry) upload(w http.ResponseWriter, r *http.Request, repo, id string) {
	if id == "" {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.init()
		g.begin(w, r, repo)
		return
	}
	body, err := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	data, ok := g.uploads[id]
	if !ok {
		Fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
		return
	}
	var from int
	if span := r.Header.Get("Content-Range"); span != "" {
		if _, serr := fmt.Sscanf(span, "%d-", &from); serr != nil || from != len(data) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
	}
	data = append(data, body...)
	g.uploads[id] = data
	if err != nil && g.NoResume {
		delete(g.uploads, id)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id+"?state="+strconv.Itoa(len(data)))
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(data)-1)))
	switch r.Method {
	case http.MethodPatch:
		w.WriteHeader(http.StatusAccepted)
	case http.MethodGet:
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		g.commit(w, r, repo, id, data)
	}
}

func (g *Registry) begin(w http.ResponseWriter, r *http.Request, repo string) {
	q := r.URL.Query()
	data, ok := g.blobs[q.Get("from")+"@"+q.Get("mount")]
	if ok && !g.NoMount {
		g.blobs[repo+"@"+q.Get("mount")] = data
		w.Header().Set("Location", "/v2/"+repo+"/blobs/"+q.Get("mount"))
		w.WriteHeader(http.StatusCreated)
		return
	}
	g.opened++
	id := strconv.Itoa(g.opened)
	g.uploads[id] = nil
	w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id)
	w.WriteHeader(http.StatusAccepted)
}

func (g *Registry) commit(w http.ResponseWriter, r *http.Request, repo, id string, data []byte) {
	want := r.URL.Query().Get("digest")
	if digest.FromBytes(data).String() != want {
		Fail(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	delete(g.uploads, id)
	g.blobs[repo+"@"+want] = data
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+want)
	w.WriteHeader(http.StatusCreated)
}

func (g *Registry) repositories() []string {
	var names []string
	for key := range g.served {
		repo, _, _ := strings.Cut(key, "@")
		names = append(names, repo)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (g *Registry) tags(repo string) []string {
	var names []string
	for key := range g.served {
		if name, tag, _ := strings.Cut(key, "@"); name == repo && !strings.Contains(tag, ":") {
			names = append(names, tag)
		}
	}
	slices.Sort(names)
	return names
}

// list answers with a page of names and, if there are more, a link to the next.
func (g *Registry) list(w http.ResponseWriter, r *http.Request, key string, names []string) {
	from, _ := slices.BinarySearch(names, r.URL.Query().Get("last")+"\x00")
	names = names[from:]
	if g.PageSize > 0 && len(names) > g.PageSize {
		names = names[:g.PageSize]
		next := url.Values{"last": {names[len(names)-1]}}
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, next.Encode()))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string][]string{key: names})
}

// Token is what the token service gives to who logs in.
const Token = "a-token-of-the-registry"

func (g *Registry) allows(r *http.Request) bool {
	switch g.Auth {
	case "Basic":
		user, password, ok := r.BasicAuth()
		return ok && user == g.User && password == g.Password
	case "Bearer":
		return r.Header.Get("Authorization") == "Bearer "+Token
	}
	return true
}

func (g *Registry) challenge(w http.ResponseWriter, r *http.Request) {
	value := `Basic realm="registry"`
	if g.Auth == "Bearer" {
		realm := g.Realm
		if realm == "" {
			realm = "http://" + r.Host + "/token"
		}
		value = fmt.Sprintf(`Bearer realm="%s",service="registry"`, realm)
		if g.Scope != "" {
			value += fmt.Sprintf(`,scope="%s"`, g.Scope)
		}
	}
	w.Header().Set("WWW-Authenticate", value)
	Fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

func (g *Registry) token(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || user != g.User || password != g.Password {
		Fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": Token})
}
