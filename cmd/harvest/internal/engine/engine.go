// Package engine hands images to a container engine through its API, as
// "docker load" does.
//
// It speaks to the engine that the docker client would, see [Host], through a
// Unix socket or plain TCP. Engines behind TLS or ssh are left to the client
// itself.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// ErrUnreachable means that no engine answers.
var ErrUnreachable = errors.New("no engine answers")

// ErrUnknownHost means that an engine's address is none that is spoken here.
var ErrUnknownHost = errors.New("only unix:// and tcp:// are spoken here")

// Ping returns an error unless the engine at host, which [Host] returns, is
// ready.
func Ping(ctx context.Context, host string) error {
	client, err := dial(host)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	resp, err := do(ctx, client, http.MethodGet, "/_ping", nil)
	if err != nil {
		return loading(host, err)
	}
	return resp.Body.Close()
}

// Load streams the archive that write produces into the engine at host, which
// [Host] returns, and returns what the engine said of it, one line for each
// image. If write fails, its error is returned and the engine keeps nothing.
func Load(ctx context.Context, host string, write func(io.Writer) error) ([]string, error) {
	client, err := dial(host)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		w.CloseWithError(err)
		written <- err
	}()
	said, err := post(ctx, client, r)
	r.Close() // ends write if the engine hung up; err says why
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return nil, werr
	}
	if err != nil {
		return nil, loading(host, err)
	}
	return said, nil
}

func loading(host string, err error) error {
	return fmt.Errorf("loading into the engine at %s: %w", host, err)
}

// dial returns a client whose requests go to host.
func dial(host string) (*http.Client, error) {
	network, addr, ok := strings.Cut(host, "://")
	if !ok || (network != "unix" && network != "tcp") {
		return nil, fmt.Errorf("engine at %q: %w", host, ErrUnknownHost)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrUnreachable, reason(err))
			}
			return conn, nil
		},
	}
	return &http.Client{Transport: transport}, nil
}

// reason returns what the operating system said, without the address, which the
// caller names.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func post(ctx context.Context, client *http.Client, body io.Reader) ([]string, error) {
	resp, err := do(ctx, client, http.MethodPost, "/images/load?quiet=1", body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readMessages(resp.Body)
}

// do makes a request, whose answer must be 200. The caller closes its body.
func do(ctx context.Context, client *http.Client, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := client.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) { // whose text is about our stand-in URL
		return nil, ue.Err
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		return nil, fmt.Errorf("it answers %s: %s", resp.Status, message(text))
	}
	return resp, nil
}

// message returns the text of an engine's error document.
func message(doc []byte) string {
	var m struct{ Message string }
	if err := json.Unmarshal(doc, &m); err != nil || m.Message == "" {
		return strings.TrimSpace(string(doc))
	}
	return m.Message
}

// readMessages reads the stream of JSON messages that tells how loading goes. A
// failure comes as a message too, after status 200.
func readMessages(r io.Reader) ([]string, error) {
	var said []string
	for d := json.NewDecoder(r); ; {
		var m struct{ Stream, Error string }
		err := d.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return said, nil
		case err != nil:
			return nil, fmt.Errorf("reading its answer: %w", err)
		case m.Error != "":
			return nil, errors.New(m.Error)
		case strings.TrimSpace(m.Stream) != "":
			said = append(said, strings.TrimSpace(m.Stream))
		}
	}
}
