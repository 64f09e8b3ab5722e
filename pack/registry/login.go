package registry

import (
	"context"
	"fmt"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// Logins are the credentials in a file like docker's config.json, and in the
// credential helpers that it names.
type Logins struct {
	store *credentials.DynamicStore
}

// OpenLogins opens a file like docker's config.json, which need not exist.
func OpenLogins(file string) (*Logins, error) {
	store, err := credentials.NewStore(file, credentials.StoreOptions{
		AllowPlaintextPut:        true, // as docker does where there is no helper
		DetectDefaultNativeStore: true,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the logins in %s: %w", file, err)
	}
	return &Logins{store}, nil
}

// Credentials is what [Client.Credentials] wants.
func (l *Logins) Credentials(ctx context.Context, host string) (Credential, error) {
	cred, err := l.store.Get(ctx, credentials.ServerAddressFromHostname(host))
	if err != nil {
		err = fmt.Errorf("looking up the login for %s: %w", host, err)
	}
	return cred, err
}

// Login keeps a login after a registry has accepted it.
func (l *Logins) Login(ctx context.Context, c *Client, host string, cred Credential) error {
	reg, err := c.registry(host)
	if err != nil {
		return err
	}
	c.secrets.add(cred.Password, cred.RefreshToken, cred.AccessToken)
	c.http()
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
