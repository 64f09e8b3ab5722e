package registry

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// A Client speaks to registries. The zero value is ready for use. Its methods
// may be called at the same time; it must not be copied after the first call.
type Client struct {
	// PlainHTTP reports whether a registry, given as it stands in a name
	// ("registry.example.com:5000"), is spoken to without TLS. Nil means Loopback.
	PlainHTTP func(host string) bool

	// Credentials returns the login for a repository, or an empty one. A host is
	// one that is spoken to, as registry-1.docker.io; the repository is "" where the
	// registry itself is asked. Nil means that nobody is logged in; see [Logins].
	Credentials func(ctx context.Context, host, repository string) (Credential, error)

	// CertFolders are folders like docker's /etc/docker/certs.d. What is in a folder
	// HOST or HOST:PORT of theirs holds for that registry: *.crt are authorities
	// to trust besides the system's, *.cert and *.key a certificate to show. They
	// count if there is no Transport.
	CertFolders []string

	// Progress, if set, is told how many bytes a push or a copy has sent, and how
	// many it has found out that it must send. It is called by one goroutine at a
	// time.
	Progress func(done, total int64)

	// Spool returns an empty file, in which a push keeps what it compresses until
	// that is sent. Nil, or an error, has it compressed twice.
	Spool func() (TempFile, error)

	Parallel  int               // blobs to send at a time; 0 means 4
	UserAgent string            // "" means harvest
	Transport http.RoundTripper // nil means one like [http.DefaultTransport]

	once    sync.Once
	base    http.RoundTripper
	secrets secrets

	mu    sync.Mutex
	auths map[string]*auth.Client // by repository, as each may have a login of its own
	seen  map[blobAt]string       // a repository of that registry that has the blob
}

// A Credential is a login: a user and a password, or a token.
type Credential = auth.Credential

// blobAt is a blob in any repository of a registry.
type blobAt struct {
	host   string
	digest digest.Digest
}

const defaultParallel = 4

// Loopback reports whether a registry is on this machine: localhost, 127.0.0.0/8
// or ::1, on any port.
func Loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// http returns the client that every request for a repository goes through, or
// with "" those for a registry itself:
//
//	auth      answers a challenge, and drops what it answered where it does not belong
//	retry     makes a request again that a registry had no time for
//	sealed    refuses to send a login in the clear
//	watched   ends one that does not move
func (c *Client) http(host, repository string) *auth.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := host + "/" + repository
	if a := c.auths[key]; a != nil {
		return a
	}
	if c.auths == nil {
		c.auths = make(map[string]*auth.Client)
	}
	a := c.newAuth(func(ctx context.Context, host string) (Credential, error) { return c.credential(ctx, host, repository) })
	a.Cache = auth.NewCache()
	c.auths[key] = a
	return a
}

// transport returns what makes all requests.
func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		if c.base = c.Transport; c.base == nil {
			c.base = &certified{plain: defaultTransport(), folders: c.CertFolders}
		}
	})
	return c.base
}

// newAuth returns an auth client that remembers no token.
func (c *Client) newAuth(credential auth.CredentialFunc) *auth.Client {
	a := &auth.Client{
		Client: &http.Client{
			Transport: &retry.Transport{
				Base:   &sealed{&watched{base: c.transport(), secrets: &c.secrets}, c.plainHTTP},
				Policy: func() retry.Policy { return patience{} },
			},
			CheckRedirect: checkRedirect,
		},
		Credential: credential,
		ClientID:   "harvest",
	}
	agent := c.UserAgent
	if agent == "" {
		agent = "harvest"
	}
	a.SetUserAgent(agent)
	return a
}

func (c *Client) credential(ctx context.Context, host, repository string) (Credential, error) {
	if c.Credentials == nil {
		return Credential{}, nil
	}
	cred, err := c.Credentials(ctx, host, repository)
	c.secrets.add(cred.Password, cred.RefreshToken, cred.AccessToken)
	return cred, err
}

// Close closes the connections that are kept for further requests.
func (c *Client) Close() {
	if t, ok := c.transport().(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func (c *Client) plainHTTP(host string) bool {
	if c.PlainHTTP == nil {
		return Loopback(host)
	}
	return c.PlainHTTP(host)
}

func (c *Client) parallel() int {
	if c.Parallel <= 0 {
		return defaultParallel
	}
	return c.Parallel
}

// remember notes that a repository has a blob, which others of the registry can
// mount from it.
func (c *Client) remember(r *repository, d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = make(map[blobAt]string)
	}
	c.seen[blobAt{r.host, d}] = r.path
}

// origin returns another repository of the same registry that has a blob, or "".
func (c *Client) origin(r *repository, d digest.Digest) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if path := c.seen[blobAt{r.host, d}]; path != r.path {
		return path
	}
	return ""
}
