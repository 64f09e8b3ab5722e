package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

var (
	// ErrPlainHTTP is the error for a registry that was spoken to with TLS and
	// answered without.
	ErrPlainHTTP = errors.New("the registry speaks plain HTTP, not HTTPS")
	// ErrNoV2 is the error for what answers, but not as a registry of version 2 of
	// the protocol does: one of version 1, or no registry.
	ErrNoV2 = errors.New("there is no registry that speaks version 2 of the protocol")
)

// A StatusError is what a registry, or the token service that it sent us to,
// says instead of doing what it was asked.
type StatusError struct {
	Code int    // of HTTP
	Text string // its reasons; may be ""
	API  bool   // they have the form that the protocol gives them

	after time.Duration // how long the registry wants not to be asked again
}

func (e *StatusError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code)))
	if e.Text == "" {
		return text
	}
	return text + ": " + e.Text
}

const maxErrorBody = 1 << 20

// statusOf returns the error that a response is. It does not close its body.
func statusOf(resp *http.Response) error {
	e := &StatusError{Code: resp.StatusCode, after: retryAfter(resp.Header)}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil { // the status says enough
		return e
	}
	var body struct{ Errors errcode.Errors }
	if err := json.Unmarshal(data, &body); err == nil && len(body.Errors) > 0 {
		e.Text, e.API = apiText(body.Errors), true
		return e
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		e.Text = printable(string(data))
	}
	return e
}

// apiText returns code and message of what the protocol calls errors.
func apiText(errs errcode.Errors) string {
	var texts []string
	for _, e := range errs {
		e.Detail = nil
		if code := (errcode.Error{Code: e.Code}); e.Message == code.Error() { // said twice
			e = code
		}
		texts = append(texts, e.Error())
	}
	return printable(strings.Join(texts, "; "))
}

const maxText = 300

// printable returns a registry's text as a line that does nothing to a terminal.
func printable(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return s
}

// explained turns what oras-go and net/http say into the terms of this package.
func explained(err error) error {
	var response *errcode.ErrorResponse
	switch {
	case errors.As(err, &response):
		return &StatusError{Code: response.StatusCode, Text: apiText(response.Errors), API: len(response.Errors) > 0}
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return &StatusError{Code: http.StatusUnauthorized, Text: "it asks for a user and a password"}
	case errors.Is(err, http.ErrSchemeMismatch):
		return ErrPlainHTTP
	case errors.Is(err, errdef.ErrNotFound): // from Ping
		return ErrNoV2
	}
	return err
}

// failed returns the error of doing something, without what must not be in one.
func (c *Client) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = explained(err)
	text := err.Error()
	var request *url.Error
	if errors.As(err, &request) { // whose reason is enough: what was done is said already
		text = strings.ReplaceAll(text, request.Error(), request.Err.Error())
	}
	text = query.ReplaceAllString(text, "$1")
	return &failure{doing + ": " + c.secrets.hidden(text), err}
}

// query matches a URL with what may be a signature that opens it.
var query = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s"]*`)

// A failure is an error with a text of its own.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// secrets are texts that no error may have in it, not even if a registry says
// them.
type secrets struct {
	mu   sync.Mutex
	list []string
}

func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if text != "" && !slices.Contains(s.list, text) {
			s.list = append(s.list, text)
		}
	}
	slices.SortStableFunc(s.list, func(a, b string) int { return len(b) - len(a) }) // as one may be part of another
}

func (s *secrets) hidden(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.list {
		text = strings.ReplaceAll(text, secret, "(secret)")
	}
	return text
}
