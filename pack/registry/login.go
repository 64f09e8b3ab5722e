package registry

import (
	"context"
	"fmt"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// Logins are the credentials in a file like docker's config.json, in files like
// podman's auth.json, and in the credential helpers that they name.
type Logins struct {
	store  *credentials.DynamicStore
	others []otherLogins
}

// otherLogins are what another tool keeps.
type otherLogins struct {
	*authFile
	store *credentials.DynamicStore // for its helpers
}

// OpenLogins opens a file like docker's config.json, in which logins are kept, and
// others like containers-auth.json(5), in which they are looked for after that.
// None need exist.
func OpenLogins(file string, others ...string) (*Logins, error) {
	l := &Logins{}
	var err error
	l.store, err = credentials.NewStore(file, credentials.StoreOptions{
		AllowPlaintextPut:        true, // as docker does where there is no helper
		DetectDefaultNativeStore: true,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the logins in %s: %w", file, err)
	}
	for _, name := range others {
		var o otherLogins
		if o.authFile, err = readAuthFile(name); err != nil {
			return nil, err
		}
		if o.store, err = credentials.NewStore(name, credentials.StoreOptions{}); err != nil {
			return nil, fmt.Errorf("reading the logins in %s: %w", name, err)
		}
		l.others = append(l.others, o)
	}
	return l, nil
}

// Credentials is what [Client.Credentials] wants.
func (l *Logins) Credentials(ctx context.Context, host, repository string) (Credential, error) {
	cred, err := l.store.Get(ctx, credentials.ServerAddressFromHostname(host))
	if host == hubHost {
		host = hub
	}
	for _, o := range l.others {
		if err != nil || cred != (Credential{}) {
			break
		}
		if cred, err = o.credential(host, repository); err == nil && cred == (Credential{}) && o.CredHelpers[host] != "" {
			cred, err = o.store.Get(ctx, host)
		}
	}
	if err != nil {
		err = fmt.Errorf("looking up the login for %s: %w", host, err)
	}
	return cred, err
}

const (
	hub     = "docker.io"
	hubHost = "registry-1.docker.io" // that speaks for it
)

// Login keeps a login after a registry has accepted it.
func (l *Logins) Login(ctx context.Context, c *Client, host string, cred Credential) error {
	reg, err := c.registry(host)
	if err != nil {
		return err
	}
	c.secrets.add(cred.Password, cred.RefreshToken, cred.AccessToken)
	reg.Client = c.newAuth(auth.StaticCredential(reg.Reference.Host(), cred)) // which has not logged in yet
	if err := reg.Ping(ctx); err != nil {
		return c.failed("logging in to "+host, err)
	}
	if err := l.store.Put(ctx, credentials.ServerAddressFromRegistry(host), cred); err != nil {
		return c.failed("keeping the login for "+host, err)
	}
	return nil
}

// Logout forgets the login for a registry, if there is one.
func (l *Logins) Logout(ctx context.Context, host string) error {
	if err := l.store.Delete(ctx, credentials.ServerAddressFromRegistry(host)); err != nil {
		return fmt.Errorf("forgetting the login for %s: %w", host, err)
	}
	return nil
}
