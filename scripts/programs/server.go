package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	serverName = "test.harvest.internal"
	webAddress = "127.0.0.1:8443"
	// A resolv.conf cannot name a port, so this is the one that root alone has.
	dnsAddress = "127.0.0.99:53"
)

// A server is a web server, and a name server that knows it, for images to meet.
type server struct {
	url       string
	authority []byte // who signed the web server's certificate, as PEM
	web       *http.Server
	names     net.PacketConn
}

// startServers serves a folder, which it makes: hi.txt, and r.git, a repository
// that needs a server of files alone.
func startServers(dir string) (*server, error) {
	if err := serveFiles(dir); err != nil {
		return nil, err
	}
	authority, certificate, err := certify()
	if err != nil {
		return nil, err
	}
	s := &server{url: "https://" + serverName + ":8443", authority: authority}
	listener, err := net.Listen("tcp", webAddress)
	if err != nil {
		return nil, err
	}
	if s.names, err = net.ListenPacket("udp", dnsAddress); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.web = &http.Server{
		Handler:           http.FileServer(http.Dir(dir)),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = s.web.ServeTLS(listener, "", "") }()
	go s.answer()
	return s, nil
}

func (s *server) close() {
	_ = s.web.Close()
	_ = s.names.Close()
}

// serveFiles makes the folder that is served.
func serveFiles(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "hi.txt"), []byte("hello\n"), 0o644); err != nil {
		return err
	}
	const script = `set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init -q -b main work
git -C work -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m "begin"
git clone -q --bare work r.git
git -C r.git update-server-info
rm -rf work`
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a repository: %w\n%s", err, out)
	}
	return nil
}

// certify makes an authority, and a certificate of its for the web server, for two
// days.
func certify() (authority []byte, certificate tls.Certificate, err error) {
	const bits = 2048
	caKey, err1 := rsa.GenerateKey(rand.Reader, bits)
	key, err2 := rsa.GenerateKey(rand.Reader, bits)
	if err := errors.Join(err1, err2); err != nil {
		return nil, certificate, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "harvest test CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName, "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caBytes, err1 := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	leafBytes, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err := errors.Join(err1, err2); err != nil {
		return nil, certificate, err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: caBytes}); err != nil {
		return nil, certificate, err
	}
	return text.Bytes(), tls.Certificate{Certificate: [][]byte{leafBytes}, PrivateKey: key}, nil
}

// answer answers questions for names until the socket is closed.
func (s *server) answer() {
	buf := make([]byte, 512)
	for {
		n, who, err := s.names.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := respond(buf[:n]); err == nil {
			_, _ = s.names.WriteTo(reply, who)
		}
	}
}

// respond returns the answer to a question: names with harvest in them are
// 127.0.0.1 and nothing else, others are none.
func respond(question []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case !strings.Contains(strings.ToLower(q.Name.String()), "harvest"):
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	return m.Pack()
}
