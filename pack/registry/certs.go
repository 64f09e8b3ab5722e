package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// certified is a transport that speaks to each registry with the certificates
// that are kept for it.
type certified struct {
	plain   *http.Transport
	folders []string

	mu    sync.Mutex
	hosts map[string]*http.Transport
}

func (t *certified) RoundTrip(req *http.Request) (*http.Response, error) {
	of, err := t.of(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, &finalError{err}
	}
	return of.RoundTrip(req)
}

// CloseIdleConnections closes those to all hosts.
func (t *certified) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plain.CloseIdleConnections()
	for _, of := range t.hosts {
		of.CloseIdleConnections()
	}
}

// of returns the transport for the host of a request.
func (t *certified) of(req *http.Request) (*http.Transport, error) {
	host := req.URL.Host
	if req.URL.Scheme != "https" || strings.ContainsAny(host, `/\`) || strings.Trim(host, ".") == "" {
		return t.plain, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := t.hosts[host]; of != nil {
		return of, nil
	}
	of := t.plain
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, folder := range t.folders {
		found, err := addCerts(config, filepath.Join(folder, host))
		if err != nil {
			return nil, err
		}
		if found && of == t.plain {
			of = t.plain.Clone()
			of.TLSClientConfig = config
		}
	}
	if t.hosts == nil {
		t.hosts = make(map[string]*http.Transport)
	}
	t.hosts[host] = of
	return of, nil
}

// addCerts adds what a folder holds, and reports whether that is anything. One
// that does not exist, or is for others to see, holds nothing.
func addCerts(config *tls.Config, folder string) (found bool, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		name := filepath.Join(folder, e.Name())
		switch filepath.Ext(name) {
		case ".crt":
			err = addAuthority(config, name)
		case ".cert":
			err = addPair(config, name)
		default:
			continue
		}
		if err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

func addAuthority(config *tls.Config, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if config.RootCAs == nil {
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			return err
		}
	}
	if !config.RootCAs.AppendCertsFromPEM(data) {
		return fmt.Errorf("%s holds no certificate", name)
	}
	return nil
}

func addPair(config *tls.Config, name string) error {
	pair, err := tls.LoadX509KeyPair(name, strings.TrimSuffix(name, ".cert")+".key")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	config.Certificates = append(config.Certificates, pair)
	return nil
}
