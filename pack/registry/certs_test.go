package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

func TestCertificatesOfARegistryAreThoseInItsFolder(t *testing.T) {
	s := httptest.NewUnstartedServer(&registrytest.Registry{})
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	host := s.Listener.Addr().String()
	dir := filepath.Join(t.TempDir(), host)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		c := &registry.Client{
			CertFolders: []string{filepath.Join(dir, "none"), filepath.Dir(dir)},
			PlainHTTP:   func(string) bool { return false },
		}
		defer c.Close()
		_, err := c.Push(t.Context(), image(t, 1, 0), host+"/app")
		return err
	}
	for _, step := range []struct {
		add  func()
		want string // in the error, "" for none
	}{
		{func() {}, "certificate signed by unknown authority"},
		{func() { write("ca.crt", "CERTIFICATE", pair.Certificate[0]) }, "certificate required"},
		{func() { write("client.cert", "CERTIFICATE", pair.Certificate[0]) }, "client.key: no such file or directory"},
		{func() { write("client.key", "PRIVATE KEY", key) }, ""},
		{func() { write("other.crt", "NOTHING", nil) }, "other.crt holds no certificate"},
	} {
		step.add()
		err := ask()
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("got %v, want %q", err, step.want)
		}
	}
}
