package registry

import (
	"context"
	"fmt"
	"slices"

	"oras.land/oras-go/v2/registry/remote"

	"github.com/harvest-oci/harvest/pack"
)

const (
	maxPages = 10_000
	maxNames = 1_000_000
)

var errEndless = fmt.Errorf("the list has more than %d pages or %d names", maxPages, maxNames)

// Tags returns the tags of a repository, sorted. A tag or digest in its name
// does not matter.
func (c *Client) Tags(ctx context.Context, name string) ([]string, error) {
	r, _, err := c.open(name)
	if err != nil {
		return nil, err
	}
	var l pages
	if err := r.Repository.Tags(ctx, "", l.add); err != nil {
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
	if err := reg.Repositories(ctx, "", l.add); err != nil {
		return nil, c.failed("listing the repositories of "+host, err)
	}
	return l.sorted(), nil
}

// registry opens a registry by its host.
func (c *Client) registry(host string) (*remote.Registry, error) {
	if full, err := pack.ParseTag(host + "/x"); err != nil || full != host+"/x:latest" {
		return nil, fmt.Errorf("%q is not the name of a registry, as in registry.example.com or 127.0.0.1:5000", host)
	}
	reg, err := remote.NewRegistry(host)
	if err != nil {
		return nil, err
	}
	reg.Client = c.http()
	reg.PlainHTTP = c.plainHTTP(host)
	return reg, nil
}

// pages are what a registry lists, page by page.
type pages struct {
	names []string
	pages int
}

func (p *pages) add(names []string) error {
	p.pages++
	p.names = append(p.names, names...)
	if p.pages >= maxPages || len(p.names) > maxNames {
		return errEndless
	}
	return nil
}

func (p *pages) sorted() []string {
	slices.Sort(p.names)
	return p.names
}
