package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// An upload is a blob on its way:
//
//	POST   opens a session, or mounts the blob      202 or 201
//	PATCH  sends its bytes                          202
//	PUT    says which digest they must have         201
//	GET    asks how far a broken session has come   204
type upload struct {
	*mover
	repo *repository
	part part

	location *url.URL // of the session, nil without one
	login    string   // that the registry has last accepted
	at       int64    // bytes that the registry has of the blob
	counted  int64    // bytes that the mover was told of
	resumed  bool     // the session has been broken and goes on
	misled   bool     // one that did came to nothing
}

// run sends the blob, over as many connections as it takes.
func (u *upload) run(ctx context.Context) error {
	attempts, from := 0, int64(0)
	for {
		err := u.try(ctx)
		if u.resumed && invalid(err) { // the registry had less than it said, or other bytes
			u.misled = true
		} else if err == nil || ctx.Err() != nil || !again(err) {
			return err
		}
		if u.at >= from+enough {
			attempts = 0
		}
		if from = u.at; attempts >= retries {
			return fmt.Errorf("breaks off again and again: %w", explained(err))
		}
		if err := wait(ctx, max(pause(attempts), asked(err))); err != nil {
			return err
		}
		attempts++
		if there, err := u.repo.has(ctx, u.part.Descriptor); err != nil || there { // only the answer was lost
			return err
		}
		u.resume(ctx)
	}
}

// again reports whether another attempt may end differently. A session may have
// been forgotten (404), disagree about how far it is (416), or have outlived its
// token (401).
func again(err error) bool {
	var final *finalError
	var status *StatusError
	switch {
	case errors.As(err, &final):
		return false
	case errors.As(explained(err), &status):
		switch status.Code {
		case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
			return true
		}
		return overloaded(status.Code) && status.after <= maxPause
	}
	return true // the connection broke
}

// invalid reports whether a registry found that a blob has another digest.
func invalid(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusBadRequest
}

// asked returns how long a registry wants not to be asked again.
func asked(err error) time.Duration {
	var status *StatusError
	if errors.As(err, &status) {
		return status.after
	}
	return 0
}

// A finalError would be the same the next time.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// try goes on from where the session is, or opens one.
func (u *upload) try(ctx context.Context) error {
	if u.location == nil {
		if _, err := u.begin(ctx, ""); err != nil {
			return &finalError{err} // as the transport has tried that again
		}
	}
	if u.at < u.part.Size {
		if err := u.send(ctx); err != nil {
			return err
		}
	}
	return u.commit(ctx)
}

// begin opens a session, or mounts the blob from another repository if there is
// one to try.
func (u *upload) begin(ctx context.Context, origin string) (mounted bool, err error) {
	address := u.repo.url("blobs/uploads/")
	scoped := ctx
	if origin != "" {
		address += "?" + url.Values{"mount": {u.part.Digest.String()}, "from": {origin}}.Encode()
		from := u.repo.Reference
		from.Repository = origin
		scoped = auth.AppendRepositoryScope(ctx, from, auth.ActionPull)
	}
	resp, err := u.repo.do(scoped, http.MethodPost, address, nil)
	if err == nil {
		defer resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusCreated && origin != "":
			return true, nil
		case resp.StatusCode == http.StatusAccepted:
			u.login = resp.Request.Header.Get("Authorization")
			u.resumed = false
			u.reached(0)
			return false, u.moved(resp)
		}
		err = u.repo.refused(ctx, resp)
	}
	var status *StatusError
	if origin != "" && errors.As(explained(err), &status) && status.Code < http.StatusInternalServerError {
		return u.begin(ctx, "") // as who may write here need not be one who may read there
	}
	return false, err
}

// moved notes where the session is to be found from now on.
func (u *upload) moved(resp *http.Response) error {
	location, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) && u.location != nil {
		return nil
	}
	if err != nil {
		return &finalError{fmt.Errorf("the registry does not say where to send it: %w", err)}
	}
	if err := elsewhere(location, resp.Request.URL); err != nil {
		return err
	}
	u.location = location
	return nil
}

// reached notes how many bytes the registry has.
func (u *upload) reached(n int64) {
	u.count(n-u.counted, 0)
	u.at, u.counted = n, n
}

// do makes a request of the session. One with a body, which there is but once
// and so cannot be sent again after a challenge, shows the login that was accepted
// last; another answers the challenge, as a token may have ended meanwhile.
func (u *upload) do(ctx context.Context, method, address string, body io.Reader, size int64, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(u.repo.scoped(ctx, method), method, address, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if body != nil && u.login != "" {
		req.Header.Set("Authorization", u.login)
	}
	resp, err := u.repo.Client.Do(req)
	if err == nil && body == nil {
		u.login = resp.Request.Header.Get("Authorization")
	}
	return resp, err
}

// send sends what the registry has not got yet.
func (u *upload) send(ctx context.Context) error {
	header := []string{"Content-Type", "application/octet-stream"}
	if u.at > 0 {
		header = append(header, "Content-Range", fmt.Sprintf("%d-%d", u.at, u.part.Size-1))
	}
	b := u.open(ctx)
	resp, err := u.do(ctx, http.MethodPatch, u.location.String(), b, u.part.Size-u.at, header...)
	if lerr := b.stop(); lerr != nil {
		if err == nil {
			resp.Body.Close()
		}
		return &finalError{lerr}
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusCreated, http.StatusNoContent:
	default:
		return statusOf(resp)
	}
	u.reached(u.part.Size)
	return u.moved(resp)
}

// commit ends the session.
func (u *upload) commit(ctx context.Context) error {
	address := *u.location
	query := url.Values{"digest": {u.part.Digest.String()}}.Encode()
	if address.RawQuery != "" { // is left as it is, as it may be signed
		query = address.RawQuery + "&" + query
	}
	address.RawQuery = query
	resp, err := u.do(ctx, http.MethodPut, address.String(), nil, 0, "Content-Type", "application/octet-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return statusOf(resp)
	}
	return nil
}

// resume asks how much of the blob a broken session has. If that is nothing, or
// nobody knows, there will be a new session.
func (u *upload) resume(ctx context.Context) {
	if u.location != nil && !u.misled {
		resp, err := u.do(ctx, http.MethodGet, u.location.String(), nil, 0)
		if err == nil {
			defer resp.Body.Close()
			if n := u.held(resp); n > 0 && u.moved(resp) == nil {
				u.resumed = true
				u.reached(n)
				return
			}
		}
	}
	u.location = nil
	u.reached(0)
}

// held returns how many bytes a session has that is described by a response. One
// with a single byte says "0-0", and so does one with none.
func (u *upload) held(resp *http.Response) int64 {
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusAccepted {
		return 0
	}
	var last int64
	span := strings.TrimPrefix(resp.Header.Get("Range"), "bytes=")
	if _, err := fmt.Sscanf(span, "0-%d", &last); err != nil || last <= 0 || last >= u.part.Size {
		return 0
	}
	return last + 1
}

// A body is what a request sends of a blob while it is being written.
type body struct {
	*io.PipeReader
	u       *upload
	reading sync.Mutex
	closed  atomic.Bool // by who reads it
	done    chan struct{}
	err     error // of who writes it
}

// open returns the rest of the blob. Its stop must be called.
func (u *upload) open(ctx context.Context) *body {
	r, w := io.Pipe()
	b := &body{PipeReader: r, u: u, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		err := u.part.write(&skipper{until{ctx, w}, u.at})
		if err != nil && !b.closed.Load() && ctx.Err() == nil {
			b.err = err
		}
		w.CloseWithError(err)
	}()
	return b
}

func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	n, err := b.PipeReader.Read(p)
	if n > 0 { // not after stop, when the upload belongs to others
		b.u.counted += int64(n)
		b.u.count(int64(n), 0)
	}
	return n, err
}

func (b *body) Close() error {
	b.closed.Store(true)
	return b.PipeReader.Close()
}

// stop waits until nobody reads or writes any more, and returns the error of
// writing, unless it is that nobody reads.
func (b *body) stop() error {
	b.Close()
	<-b.done
	b.reading.Lock() // a request may have ended before its last read has
	defer b.reading.Unlock()
	return b.err
}

// A skipper leaves out the first bytes.
type skipper struct {
	w io.Writer
	n int64
}

func (s *skipper) Write(p []byte) (int, error) {
	skipped := int(min(s.n, int64(len(p))))
	s.n -= int64(skipped)
	if skipped == len(p) {
		return skipped, nil
	}
	n, err := s.w.Write(p[skipped:])
	return skipped + n, err
}
