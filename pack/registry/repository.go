package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/harvest-oci/harvest/pack"
)

// A repository is a place of a registry that holds images.
type repository struct {
	*remote.Repository
	client *Client
	host   string // "docker.io", "127.0.0.1:5000"
	path   string // "library/debian"
}

// String returns the repository as names begin.
func (r *repository) String() string { return r.host + "/" + r.path }

// open returns the repository of a name and what of it is meant: a tag, or a
// digest if there is one.
func (c *Client) open(name string) (r *repository, ref string, err error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	base, sum, digested := strings.Cut(name, "@")
	full, err := pack.ParseTag(base)
	if err != nil {
		return nil, "", err
	}
	host, rest, _ := strings.Cut(full, "/")
	tagAt := strings.LastIndexByte(rest, ':')
	r = &repository{client: c, host: host, path: rest[:tagAt]}
	if r.Repository, err = remote.NewRepository(r.String()); err != nil {
		return nil, "", fmt.Errorf("image name %q: %w", name, err)
	}
	r.Client = c.http(r.host, r.path)
	r.PlainHTTP = c.plainHTTP(r.host)
	r.TagListMaxPages = maxPages
	if digested {
		if err := checkDigest(digest.Digest(sum)); err != nil {
			return nil, "", fmt.Errorf("image name %q: %w", name, err)
		}
		return r, sum, nil
	}
	return r, rest[tagAt+1:], nil
}

// checkName refuses a name that has a login in it, and does not say which.
func checkName(name string) error {
	at := strings.LastIndexByte(name, '@')
	if at >= 0 && strings.HasPrefix(name[at+1:], "sha256:") {
		name = name[:at]
	}
	if before, _, found := strings.Cut(name, "@"); found && strings.Contains(before, ":") {
		return errors.New("a name has no room for a password")
	}
	return nil
}

// checkDigest refuses what must not become part of a path or a URL.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%q is no sha256 digest", printable(string(d)))
	}
	return nil
}

// url returns the address of something in the repository.
func (r *repository) url(part string) string {
	scheme := "https"
	if r.PlainHTTP {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s/v2/%s/%s", scheme, r.Reference.Host(), r.path, part)
}

// do makes a request. Header fields are pairs; an empty value leaves one out.
func (r *repository) do(ctx context.Context, method, url string, body io.Reader, header ...string) (*http.Response, error) {
	ctx = r.scoped(ctx, method)
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return r.Client.Do(req)
}

// scoped says which token is needed: to read, or to read and write.
func (r *repository) scoped(ctx context.Context, method string) context.Context {
	actions := []string{auth.ActionPull}
	if method != http.MethodGet && method != http.MethodHead {
		actions = append(actions, auth.ActionPush)
	}
	return auth.AppendRepositoryScope(ctx, r.Reference, actions...)
}

const maxDocument = 4 << 20 // bytes of a manifest, an index or a config

// A document is a manifest or an index, as it is.
type document struct {
	v1.Descriptor
	data []byte
}

// manifest reads the document that a tag or a digest stands for.
func (r *repository) manifest(ctx context.Context, ref string) (doc document, err error) {
	err = patiently(ctx, func() (err error) {
		doc, err = r.readManifest(ctx, ref)
		return err
	})
	return doc, err
}

func (r *repository) readManifest(ctx context.Context, ref string) (document, error) {
	resp, err := r.do(ctx, http.MethodGet, r.url("manifests/"+ref), nil, "Accept", strings.Join(documentTypes, ", "))
	if err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return document{}, r.refused(ctx, resp)
	}
	data, err := readAll(resp.Body, maxDocument)
	if err != nil {
		return document{}, err
	}
	doc := document{v1.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
	for _, want := range []string{ref, resp.Header.Get("Docker-Content-Digest")} {
		if strings.HasPrefix(want, "sha256:") && want != doc.Digest.String() {
			return document{}, fmt.Errorf("has the digest %s, not %s", doc.Digest, printable(want))
		}
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil && resp.Header.Get("Content-Type") != "" {
		return document{}, fmt.Errorf("has the media type %q", printable(resp.Header.Get("Content-Type")))
	}
	doc.MediaType, err = documentType(data, mediaType)
	return doc, err
}

// readAll reads a document that must not be longer than most.
func readAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("has more than %d bytes", most)
	}
	return data, err
}

// refused returns the error that a response is.
func (r *repository) refused(ctx context.Context, resp *http.Response) error {
	return r.unknown(ctx, statusOf(resp))
}

// unknown looks whether a registry does not know what it was asked for because
// it is none: it would say so in the protocol's own words.
func (r *repository) unknown(ctx context.Context, err error) error {
	var status *StatusError
	if !errors.As(err, &status) || status.API || status.Code != http.StatusNotFound && status.Code != http.StatusMethodNotAllowed {
		return err
	}
	ping, perr := r.do(ctx, http.MethodGet, strings.TrimSuffix(r.url(""), r.path+"/"), nil)
	if perr != nil {
		return err
	}
	defer ping.Body.Close()
	if ping.StatusCode == http.StatusNotFound {
		return ErrNoV2
	}
	return err
}

// put writes a document under a tag or its own digest.
func (r *repository) put(ctx context.Context, doc document, ref string) error {
	resp, err := r.do(ctx, http.MethodPut, r.url("manifests/"+ref), bytes.NewReader(doc.data), "Content-Type", doc.MediaType)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return r.refused(ctx, resp)
	}
	if got := resp.Header.Get("Docker-Content-Digest"); got != "" && got != doc.Digest.String() {
		return fmt.Errorf("the registry says that it has the digest %s, not %s", printable(got), doc.Digest)
	}
	return nil
}

// has reports whether the repository holds a blob.
func (r *repository) has(ctx context.Context, d v1.Descriptor) (bool, error) {
	resp, err := r.do(ctx, http.MethodHead, r.url("blobs/"+d.Digest.String()), nil)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, statusOf(resp)
	case resp.ContentLength >= 0 && resp.ContentLength != d.Size:
		return false, fmt.Errorf("the registry has it with %d bytes, not %d", resp.ContentLength, d.Size)
	}
	r.client.remember(r, d.Digest)
	return true, nil
}

var errElsewhere = errors.New("the registry wants it sent to another place")

// elsewhere returns an error if an address that the registry gave for what is
// sent is not its own: credentials may go with it, and contents do.
func elsewhere(location, registry *url.URL) error {
	if location.Scheme != registry.Scheme || !strings.EqualFold(location.Hostname(), registry.Hostname()) || port(location) != port(registry) {
		return &finalError{fmt.Errorf("%w, %s://%s", errElsewhere, location.Scheme, location.Host)}
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
