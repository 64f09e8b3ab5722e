package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// archive is what tests load: more than any buffer on the way holds.
var archive = strings.Repeat("archive ", 1<<17)

func writeArchive(w io.Writer) error {
	_, err := io.WriteString(w, archive)
	return err
}

// serve starts an engine at a Unix socket and returns its address.
func serve(t *testing.T, engine http.HandlerFunc) string {
	t.Helper()
	t.Chdir(t.TempDir()) // the name of a socket must be short
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(engine)
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return "unix://sock"
}

// answer is an engine that reads everything and then says something.
func answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// begin reads some of a request.
func begin(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 1000)
}

func TestLoadSendsTheArchiveAndReturnsWhatTheEngineSays(t *testing.T) {
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != archive {
			t.Errorf("the engine read %d bytes, %v, want %d", len(body), err, len(archive))
		}
		if got, want := r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type"), "POST /images/load application/x-tar"; got != want {
			t.Errorf("request: got %q, want %q", got, want)
		}
		fmt.Fprint(w, `{"stream":"Loaded image: a:1\n"}`+"\n"+`{"progress":"x"}`+`{"stream":"Loaded image: b:1\n"}`)
	})
	said, err := Load(t.Context(), host, writeArchive)
	if want := []string{"Loaded image: a:1", "Loaded image: b:1"}; err != nil || !slices.Equal(said, want) {
		t.Errorf("Load = %q, %v, want %q", said, err, want)
	}
}

func TestLoadReportsWhatGoesWrongAtTheEngine(t *testing.T) {
	tests := []struct {
		name   string
		engine http.HandlerFunc
		want   string
	}{
		{"an error in the stream", answer(200, `{"stream":"x"}{"error":"no space left"}`), "no space left"},
		{"an error document", answer(500, `{"message":"invalid tar header"}`), "it answers 500 Internal Server Error: invalid tar header"},
		{"an error in plain text", answer(502, "bad gateway\n"), "it answers 502 Bad Gateway: bad gateway"},
		{"no JSON", answer(200, "hello"), "reading its answer: invalid character 'h' looking for beginning of value"},
		{"half an answer", answer(200, `{"stream":"x`), "reading its answer: unexpected EOF"},
		{"an error before the archive is read", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"message":"not now"}`, http.StatusServiceUnavailable)
		}, "it answers 503 Service Unavailable: not now"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host := serve(t, test.engine)
			said, err := Load(t.Context(), host, writeArchive)
			want := "loading into the engine at " + host + ": " + test.want
			if err == nil || err.Error() != want || said != nil {
				t.Errorf("Load = %q, %v\nwant error %s", said, err, want)
			}
		})
	}
}

func TestLoadReportsAnEngineThatHangsUp(t *testing.T) {
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		begin(r)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	_, err := Load(t.Context(), host, writeArchive)
	if err == nil || !strings.HasPrefix(err.Error(), "loading into the engine at "+host+": ") {
		t.Errorf("Load: %v", err)
	}
	if errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Load: %v, which is only what follows from it", err)
	}
}

func TestLoadTrustsAnEngineThatHasSeenEnough(t *testing.T) {
	const said = `{"stream":"Loaded image: a:1\n"}`
	done := make(chan bool)
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		begin(r)
		w.Header().Set("Content-Length", strconv.Itoa(len(said)))
		fmt.Fprint(w, said)
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
		<-done
	})
	got, err := Load(t.Context(), host, func(w io.Writer) error {
		for {
			if err := writeArchive(w); err != nil {
				return err
			}
		}
	})
	close(done)
	if err != nil || !slices.Equal(got, []string{"Loaded image: a:1"}) {
		t.Errorf("Load = %q, %v", got, err)
	}
}

func TestLoadAbortsTheRequestWhenWritingFails(t *testing.T) {
	heard := make(chan error, 1)
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		heard <- err
		fmt.Fprint(w, `{"stream":"Loaded image: a:1\n"}`)
	})
	changed := errors.New("file changed while packing")
	said, err := Load(t.Context(), host, func(w io.Writer) error {
		if err := writeArchive(w); err != nil {
			t.Errorf("writing: %v", err)
		}
		return changed
	})
	if err != changed || said != nil { //nolint:errorlint // the very error
		t.Errorf("Load = %q, %v, want the writer's error", said, err)
	}
	if err := <-heard; err == nil {
		t.Error("the engine took half an archive for a whole one")
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	host := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		begin(r)
		cancel()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	unfinished := func(w io.Writer) error {
		if err := writeArchive(w); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := Load(ctx, host, unfinished); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v, want %v", err, context.Canceled)
	}
}

func TestPingAsksWhetherTheEngineIsReady(t *testing.T) {
	status := http.StatusOK
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.Method+" "+r.URL.Path, "GET /_ping"; got != want {
			t.Errorf("request: got %q, want %q", got, want)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "OK")
	})
	if err := Ping(t.Context(), host); err != nil {
		t.Errorf("Ping: %v", err)
	}
	status = http.StatusServiceUnavailable
	want := "loading into the engine at " + host + ": it answers 503 Service Unavailable: OK"
	if err := Ping(t.Context(), host); err == nil || err.Error() != want {
		t.Errorf("Ping: got %v, want %s", err, want)
	}
	if err := Ping(t.Context(), "unix://none"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Ping: got %v, want %v", err, ErrUnreachable)
	}
	if err := Ping(t.Context(), "ssh://x"); !errors.Is(err, ErrUnknownHost) {
		t.Errorf("Ping: got %v, want %v", err, ErrUnknownHost)
	}
}

func TestLoadKnowsAnEngineThatIsNotThere(t *testing.T) {
	host := "unix://" + filepath.Join(t.TempDir(), "sock")
	_, err := Load(t.Context(), host, writeArchive)
	want := "loading into the engine at " + host + ": no engine answers: no such file or directory"
	if !errors.Is(err, ErrUnreachable) || !errors.Is(err, syscall.ENOENT) || err.Error() != want {
		t.Errorf("Load: got %v, want %s", err, want)
	}
}

func TestLoadSpeaksToTCP(t *testing.T) {
	server := httptest.NewServer(answer(200, `{"stream":"Loaded image: a:1\n"}`))
	defer server.Close()
	host := strings.Replace(server.URL, "http://", "tcp://", 1)
	said, err := Load(t.Context(), host, writeArchive)
	if err != nil || !slices.Equal(said, []string{"Loaded image: a:1"}) {
		t.Errorf("Load = %q, %v", said, err)
	}
}

func TestLoadRefusesOtherHosts(t *testing.T) {
	for _, host := range []string{"ssh://me@example.com", "https://example.com", "/var/run/docker.sock", ""} {
		_, err := Load(t.Context(), host, writeArchive)
		want := fmt.Sprintf("engine at %q: only unix:// and tcp:// are spoken here", host)
		if !errors.Is(err, ErrUnknownHost) || err.Error() != want {
			t.Errorf("Load: got %v, want %s", err, want)
		}
	}
}
