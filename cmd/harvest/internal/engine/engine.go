// Package engine hands images to a container engine through its API, as
// "docker load" does.
//
// It speaks to the engine that the docker client would: the one that DOCKER_HOST
// names, else the one at /var/run/docker.sock. Engines behind TLS or ssh are
// left to the client itself.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// ErrUnreachable means that no engine answered.
var ErrUnreachable = errors.New("no engine answers")

// DefaultHost is where an engine listens unless DOCKER_HOST says otherwise.
const DefaultHost = "unix:///var/run/docker.sock"

// Load streams the archive that write produces into the engine at host, a value
// of DOCKER_HOST or "" for the default, and returns what the engine said of it,
// one line for each image. If write fails, its error is returned and the engine
// keeps nothing.
func Load(ctx context.Context, host string, write func(io.Writer) error) ([]string, error) {
	client, url, err := dial(host)
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
	said, err := post(ctx, client, url+"/images/load?quiet=1", r)
	r.CloseWithError(err) // ends write if the engine hung up
	if werr := <-written; werr != nil && !errors.Is(werr, err) {
		return nil, werr
	}
	return said, err
}

// dial returns a client whose requests go to host.
func dial(host string) (*http.Client, string, error) {
	if host == "" {
		host = DefaultHost
	}
	network, addr, ok := strings.Cut(host, "://")
	if !ok || (network != "unix" && network != "tcp") {
		return nil, "", fmt.Errorf("engine at %q: only unix:// and tcp:// are spoken here; for others pipe -o - into docker load", host)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, host, err)
			}
			return conn, nil
		},
	}
	return &http.Client{Transport: transport}, "http://docker", nil
}

func post(ctx context.Context, client *http.Client, url string, body io.Reader) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		return nil, fmt.Errorf("the engine answers %s: %s", resp.Status, message(text))
	}
	return readMessages(resp.Body)
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
			return said, fmt.Errorf("reading the engine's answer: %w", err)
		case m.Error != "":
			return said, fmt.Errorf("the engine could not load the image: %s", m.Error)
		case strings.TrimSpace(m.Stream) != "":
			said = append(said, strings.TrimSpace(m.Stream))
		}
	}
}
