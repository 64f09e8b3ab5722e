package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestTheListsAreWhole(t *testing.T) {
	all, err := readSubjects(programsYAML, awkwardYAML)
	if err != nil {
		t.Fatal(err)
	}
	awkward := 0
	for _, s := range all {
		for _, c := range s.Checks {
			if !strings.Contains(c.Run, "$I ") {
				t.Errorf("%s: %s runs no image", s.Name, c.Run)
			}
		}
		if s.awkward {
			awkward++
		}
	}
	if awkward < 20 {
		t.Errorf("%d programs are awkward, want 20 at least", awkward)
	}
	if _, err := readSubjects([]byte("- {name: x, cheks: []}"), nil); err == nil {
		t.Error("a list with an unknown key is read")
	}
}

func TestJudging(t *testing.T) {
	list, err := readSubjects([]byte("- {name: x, checks: [{run: y, want: ['^ok$'], never: [warn]}]}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for out, good := range map[string]bool{"ok\n": true, "fine\nok\n": true, "not ok": false, "ok\nwarn": false} {
		if err := list[0].Checks[0].judge(out); (err == nil) != good {
			t.Errorf("%q: %v", out, err)
		}
	}
}

func TestNamesOfTheTestAreThisMachine(t *testing.T) {
	for name, want := range map[string]string{"test.harvest.internal. A": "RCodeSuccess 1", "test.harvest.internal. AAAA": "RCodeSuccess 0", "example.org. A": "RCodeNameError 0"} {
		host, kind, _ := strings.Cut(name, " ")
		types := map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA}
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(host), Type: types[kind], Class: dnsmessage.ClassINET}},
		}
		question, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply, err := respond(question)
		if err != nil {
			t.Fatal(err)
		}
		var got dnsmessage.Message
		if err := got.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		if text := got.RCode.String() + " " + string(rune('0'+len(got.Answers))); text != want || got.ID != 7 {
			t.Errorf("%s: %s", name, text)
		}
	}
	if _, err := respond([]byte("x")); err == nil {
		t.Error("nonsense is answered")
	}
}

func TestTheWebServerIsTrustedThroughItsAuthority(t *testing.T) {
	authority, certificate, err := certify()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })) //nolint:gosec // a test's
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		},
	}}
	resp, err := client.Get("https://" + serverName)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); err != nil || string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestTablesTakeTheirPlace(t *testing.T) {
	s := &subject{Name: "x", Bins: []string{"x", "y"}, Checks: []check{{Run: "R $I a | b\nc"}}}
	got := works([]*result{{subject: s, image: image{Size: 1_500_000}}})
	if want := "| x | `harvest --bin x --bin y` | 1.5 MB | `R $I a \\| b ; c` | good |\n"; !strings.Contains(got, want) {
		t.Errorf("got:\n%s\nwant in it:\n%s", got, want)
	}
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("no place"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeTables(t.Context(), file, nil); err == nil {
		t.Error("tables are written where there is no place for them")
	}
}

// Each path of an image has to be somebody's wish.
func TestPathsWithoutEvidence(t *testing.T) {
	type reasons = []struct{ Kind, From, Text string }
	good := image{entries: []entry{
		{Path: "/a", Type: "file", Size: 3, Why: reasons{{Kind: "program"}}},
		{Path: "/b", Type: "file", Size: 3, Hardlink: "/a", Why: reasons{{Kind: "recipe", Text: "own: a names /b"}}},
	}}
	if err := good.sum(); err != nil || good.Size != 3 || good.Paths != 2 {
		t.Errorf("%+v, %v", good, err)
	}
	for _, why := range []reasons{nil, {{Kind: "recipe"}}} {
		bad := image{entries: []entry{{Path: "/a", Type: "file", Why: why}}}
		if err := bad.sum(); err == nil {
			t.Errorf("%v is taken for evidence", why)
		}
	}
}
