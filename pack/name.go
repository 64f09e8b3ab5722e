package pack

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// What the name of an image on no other registry is completed with.
const (
	hub      = "docker.io"
	official = "library/"
	latest   = "latest"
)

// The grammar of names (github.com/distribution/reference), but for the lengths.
const (
	label      = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`
	registry   = `(?:` + label + `(?:\.` + label + `)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?`
	component  = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	repository = component + `(?:/` + component + `)*`
	grammar    = `^(?:` + registry + `/)?(` + repository + `)(?::(\w[\w.-]*))?$`
)

const (
	maxRepository = 255
	maxTag        = 128
)

// ParseTag returns the full form of an image name as docker understands it:
// "basic" is "docker.io/library/basic:latest". A name with a digest is an
// error, because a digest is computed and not given.
//
// It does what github.com/distribution/reference does. That is where the rules
// come from, and a test compares the two; but it compiles its expressions when a
// program starts, which took harvest longer than finding the libraries of bash.
func ParseTag(s string) (string, error) {
	full, err := fullName(s)
	if err != nil {
		return "", fmt.Errorf("image name %q: %w", s, err)
	}
	return full, nil
}

func fullName(s string) (string, error) {
	if strings.Contains(s, "@") {
		return "", errors.New("a digest cannot be given to an image")
	}
	if len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" {
		return "", errors.New("64 hexadecimal digits are an image ID, not a name")
	}
	domain, rest := splitDomain(s)
	if name, _, _ := strings.Cut(rest, ":"); strings.ToLower(name) != name {
		return "", fmt.Errorf("invalid reference format: repository name (%s) must be lowercase", name)
	}
	full := domain + "/" + rest
	match := regexp.MustCompile(grammar).FindStringSubmatch(full)
	switch {
	case match == nil, len(match[2]) > maxTag:
		return "", errors.New("invalid reference format")
	case len(match[1]) > maxRepository:
		return "", fmt.Errorf("repository name must not be more than %d characters", maxRepository)
	case match[2] == "":
		full += ":" + latest
	}
	return full, nil
}

// splitDomain tells the registry from the rest of a name. What comes before the
// first slash is one if it could be no folder of the hub's.
func splitDomain(name string) (domain, rest string) {
	domain, rest, _ = strings.Cut(name, "/")
	switch {
	case !strings.Contains(name, "/"):
		return hub, official + name
	case domain == "index."+hub:
		domain = hub
	case domain != "localhost" && !strings.ContainsAny(domain, ".:") && strings.ToLower(domain) == domain:
		return hub, name
	}
	if domain == hub && !strings.Contains(rest, "/") {
		rest = official + rest
	}
	return domain, rest
}

// ShortTag returns the form of a full name that docker prints:
// "docker.io/library/basic:v1" is "basic:v1".
func ShortTag(full string) string {
	name, ok := strings.CutPrefix(full, hub+"/")
	if !ok {
		return full
	}
	if short, ok := strings.CutPrefix(name, official); ok && !strings.Contains(short, "/") {
		return short
	}
	return name
}

// tagOf returns the part of a full name after the last colon.
func tagOf(full string) string { return full[strings.LastIndexByte(full, ':')+1:] }
