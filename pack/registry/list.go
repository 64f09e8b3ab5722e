package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"oras.land/oras-go/v2/registry/remote"

	"github.com/harvest-oci/harvest/pack"
)

const (
	maxPages = 10_000
	maxList  = 32 << 20 // bytes of all names
)

var (
	errEndless = fmt.Errorf("the list has more than %d pages or %d bytes", maxPages, maxList)
	errAgain   = errors.New("the list has the same page again and again")
)

// Tags returns the tags of a repository, sorted. A tag or digest in its name
// does not matter.
func (c *Client) Tags(ctx context.Context, name string) ([]string, error) {
	r, _, err := c.open(name)
	if err != nil {
		return nil, err
	}
	var l pages
	err = patiently(ctx, func() error {
		l = pages{}
		return r.Repository.Tags(ctx, "", l.add)
	})
	if err != nil {
		return nil, c.failed("listing the tags of "+r.String(), r.unknown(ctx, explained(err)))
	}
	return l.sorted(), nil
}

// Catalog returns the repositories of a registry that can be seen, sorted. Many
// public registries show none.
func (c *Client) Catalog(ctx context.Context, host string) ([]string, error) {
	reg, err := c.registry(host)
	if err != nil {
		return nil, err
	}
	var l pages
	err = patiently(ctx, func() error {
		l = pages{}
		return reg.Repositories(ctx, "", l.add)
	})
	if err != nil {
		return nil, c.failed("listing the repositories of "+host, err)
	}
	return l.sorted(), nil
}

// registry opens a registry by its host.
func (c *Client) registry(host string) (*remote.Registry, error) {
	if err := checkName(host); err != nil {
		return nil, err
	}
	if full, err := pack.ParseTag(host + "/x/y"); err != nil || full != host+"/x/y:latest" {
		return nil, fmt.Errorf("%q is not the name of a registry, as in registry.example.com or 127.0.0.1:5000", host)
	}
	reg, err := remote.NewRegistry(host)
	if err != nil {
		return nil, err
	}
	reg.Client = c.http(host, "")
	reg.PlainHTTP = c.plainHTTP(host)
	return reg, nil
}

// pages are what a registry lists, page by page.
type pages struct {
	names []string
	last  []string // page
	pages int
	bytes int
}

const nameBytes = 32 // that a name takes besides its own

func (p *pages) add(names []string) error {
	if len(names) > 0 && slices.Equal(names, p.last) {
		return errAgain
	}
	p.last = names
	p.pages++
	for _, name := range names {
		p.bytes += len(name) + nameBytes
	}
	if p.pages >= maxPages || p.bytes > maxList {
		return errEndless
	}
	p.names = append(p.names, names...)
	return nil
}

func (p *pages) sorted() []string {
	slices.Sort(p.names)
	return slices.Compact(p.names)
}
