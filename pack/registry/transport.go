package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

const (
	stallTime  = time.Minute      // without a byte, in either direction
	answerTime = 10 * time.Minute // for a registry to store what it was sent
	retries    = 5                // of a request, or of a connection that brings nothing new
	maxPause   = time.Minute      // that a registry may ask for between them
)

// defaultTransport does not let net/http decompress anything: a blob is its
// compressed bytes.
func defaultTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 2 * defaultParallel
	t.WriteBufferSize = 64 << 10
	t.ReadBufferSize = 64 << 10
	return t
}

// checkRedirect refuses to leave TLS, and to send anything but a question to
// another place. That credentials stay behind on the way to another host is seen to
// by the auth client.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return &finalError{fmt.Errorf("redirected from https to %s at %s", req.URL.Scheme, req.URL.Host)}
	case len(via) >= 10:
		return &finalError{errors.New("redirected more than 10 times")}
	case first.Method == http.MethodGet || first.Method == http.MethodHead:
		return nil
	}
	return elsewhere(req.URL, first.URL)
}

// sealed is a transport that sends no login in the clear but to who is spoken to
// in plain HTTP: a registry on this machine may name a token service that is not.
type sealed struct {
	base  http.RoundTripper
	plain func(host string) bool
}

func (t *sealed) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && hasLogin(req) && !t.plain(req.URL.Host) {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, &finalError{fmt.Errorf("a login would go unencrypted to %s", req.URL.Host)}
	}
	return t.base.RoundTrip(req)
}

// hasLogin reports whether a request shows who makes it: in its header or, to a
// token service, in a form.
func hasLogin(req *http.Request) bool {
	return req.Header.Get("Authorization") != "" || strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// patience says whether a request is worth another attempt, and when.
type patience struct{}

// Retry returns how long to wait, or a negative time to leave it at this.
func (patience) Retry(attempt int, resp *http.Response, err error) (time.Duration, error) {
	const enough = -1
	if attempt >= retries {
		return enough, nil
	}
	if resp == nil {
		if !transient(err) {
			return enough, err
		}
		return pause(attempt), nil
	}
	after := retryAfter(resp.Header)
	if !overloaded(resp.StatusCode) || after > maxPause {
		return enough, nil
	}
	return max(after, pause(attempt)), nil
}

// pause returns how long to wait after an attempt: a quarter of a second after
// the first, each time twice as long, give or take a tenth.
func pause(attempt int) time.Duration { return retry.DefaultBackoff(attempt, nil) }

// overloaded reports whether a status may be another one the next time.
func overloaded(status int) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// transient reports whether a connection broke that may hold the next time.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return true
	}
	for _, e := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// retryAfter returns the time that a registry asks for, 0 for none: a number of seconds, or
// a date, which the registry's own clock tells how far away it is.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(seconds), 365*24*3600) * time.Second
	}
	then, terr := http.ParseTime(value)
	now, nerr := http.ParseTime(h.Get("Date"))
	if terr != nil || nerr != nil {
		return 0
	}
	return max(0, then.Sub(now))
}

// wait returns after a time, or when the context is done, with its error.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// stalledError is the error for a connection that is there, but does not move.
type stalledError struct{ after time.Duration }

func (e *stalledError) Error() string { return fmt.Sprintf("nothing came or went for %v", e.after) }
func (e *stalledError) Timeout() bool { return true }

// Temporary makes it a [net.Error].
func (e *stalledError) Temporary() bool { return true }

// A brokenError is the end of an answer that had begun well.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// patiently asks again when an answer has broken off. All else the transport has
// tried again already.
func patiently(ctx context.Context, ask func() error) error {
	for attempt := 0; ; attempt++ {
		err := ask()
		var broken *brokenError
		if attempt >= retries || ctx.Err() != nil || !errors.As(err, &broken) {
			return err
		}
		if err := wait(ctx, pause(attempt)); err != nil {
			return err
		}
	}
}

// watched is a transport that ends requests which stall. It does not measure how
// long a request takes, nor how long its body takes to be made or its answer to
// be read.
type watched struct {
	base    http.RoundTripper
	secrets *secrets
}

func (t *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		t.secrets.add(token)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx: ctx, cancel: cancel, answer: stallTime}
	if req.Method == http.MethodPut || req.Method == http.MethodPatch {
		w.answer = answerTime
	}
	w.arm(w.answer)
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{req.Body, w}
	}
	resp, err := t.base.RoundTrip(req)
	w.disarm()
	if err != nil {
		err = w.reason(err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &receivedBody{resp.Body, w}
	return resp, nil
}

// A watch cancels a request when it has been armed for too long.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	answer time.Duration

	mu    sync.Mutex
	timer *time.Timer
}

func (w *watch) arm(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(d, func() { w.cancel(&stalledError{d}) })
}

func (w *watch) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

// reason returns what ended the request.
func (w *watch) reason(err error) error {
	var stalled *stalledError
	if errors.As(context.Cause(w.ctx), &stalled) {
		return stalled
	}
	return err
}

// A sentBody is watched between its reads, when its bytes are being sent.
type sentBody struct {
	io.ReadCloser
	w *watch
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.w.disarm()
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.w.arm(b.w.answer)
	} else {
		b.w.arm(stallTime)
	}
	return n, err
}

// A receivedBody is watched while it is being read.
type receivedBody struct {
	io.ReadCloser
	w *watch
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.w.arm(stallTime)
	n, err := b.ReadCloser.Read(p)
	b.w.disarm()
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenError{b.w.reason(err)}
	}
	return n, err
}

func (b *receivedBody) Close() error {
	b.w.disarm()
	err := b.ReadCloser.Close()
	b.w.cancel(nil)
	return err
}
