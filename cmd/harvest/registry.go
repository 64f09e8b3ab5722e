package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack/registry"
)

// nameHelp is what verbs say of a name in a registry.
const nameHelp = `Names are docker's: debian:12 is on Docker Hub, 127.0.0.1:5000/app in the
registry that listens there. Logins are those of docker, podman and harvest login.`

// registryOptions is the part of the command line that says how to speak to
// registries.
type registryOptions struct {
	plainHTTP    bool
	setPlainHTTP bool // --plain-http was given, be it false
}

func (o *registryOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.plainHTTP, "plain-http", false, "speak HTTP to registries, not HTTPS; on this machine that is the default, unless --plain-http=false")
}

const dockerHub = "docker.io" // which has nothing to say in the clear

// client returns what speaks to registries.
func (o *registryOptions) client(s streams) (*registry.Client, error) {
	logins, err := openLogins(s)
	if err != nil {
		return nil, err
	}
	c := &registry.Client{
		Credentials: logins.Credentials,
		CertFolders: certFolders(s.getenv),
		Spool:       func() (registry.TempFile, error) { return nameless() },
		UserAgent:   "harvest/" + strings.Trim(version(), "()"),
	}
	if o.setPlainHTTP {
		c.PlainHTTP = func(host string) bool { return o.plainHTTP && host != dockerHub }
	}
	return c, nil
}

// given notes which flags were on the command line.
func (o *registryOptions) given(cmd *cobra.Command) {
	o.setPlainHTTP = cmd.Flags().Changed("plain-http")
}

// openLogins opens the file that docker keeps its logins in, and those of podman
// and skopeo (containers-auth.json(5)).
func openLogins(s streams) (*registry.Logins, error) {
	folder := s.getenv("DOCKER_CONFIG")
	if folder == "" {
		folder = filepath.Join(s.getenv("HOME"), ".docker")
	}
	return registry.OpenLogins(filepath.Join(folder, "config.json"), authFiles(s.getenv)...)
}

// authFiles are the files in which podman looks for logins.
func authFiles(getenv func(string) string) []string {
	if file := getenv("REGISTRY_AUTH_FILE"); file != "" {
		return []string{file}
	}
	files := []string{fmt.Sprintf("/run/containers/%d/auth.json", os.Getuid())}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = []string{filepath.Join(dir, "containers", "auth.json")}
	}
	if dir := cmp.Or(getenv("XDG_CONFIG_HOME"), inHome(getenv, ".config")); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	return files
}

// inHome returns a name in the user's own folder, "" if there is none.
func inHome(getenv func(string) string, name string) string {
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, name)
	}
	return ""
}

// certFolders are where docker, podman and skopeo keep the certificates of
// registries.
func certFolders(getenv func(string) string) []string {
	folders := []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}
	if own := inHome(getenv, ".config/containers/certs.d"); own != "" {
		folders = append(folders, own)
	}
	return folders
}

// A pushSummary is what a push or a copy did, for people and as JSON.
type pushSummary struct {
	Names    []string     `json:"names"`
	Manifest string       `json:"manifest"`
	Blobs    []pushedBlob `json:"blobs"`
	Seconds  float64      `json:"seconds"`
}

type pushedBlob struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Size       int64  `json:"size"`
	How        string `json:"how"`
}

func newPushSummary(p *registry.Push, names []string) *pushSummary {
	s := &pushSummary{Names: names, Manifest: p.Digest.String(), Blobs: []pushedBlob{}}
	for _, t := range p.Transfers {
		s.Blobs = append(s.Blobs, pushedBlob{t.Repository, t.Digest.String(), t.Size, t.How})
	}
	return s
}

// text returns the summary for people.
func (s *pushSummary) text() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(&b, strings.Join(s.Names, " "))
	line("manifest", "%s", s.Manifest)
	for _, t := range s.transfers() {
		line(t.label, "%s", t.text)
	}
	return b.String()
}

// A transfer says how many blobs took one way.
type transfer struct{ label, text string }

// transfers counts the blobs by what has become of them.
func (s *pushSummary) transfers() []transfer {
	var list []transfer
	for _, kind := range []struct{ how, label string }{
		{registry.Present, "there before"}, {registry.Mounted, "mounted"}, {registry.Sent, "sent"},
	} {
		n, bytes := 0, int64(0)
		for _, blob := range s.Blobs {
			if blob.How == kind.how {
				n++
				bytes += blob.Size
			}
		}
		if n > 0 {
			list = append(list, transfer{kind.label, fmt.Sprintf("%s, %s", count(n, "blob"), units.Size(bytes))})
		}
	}
	return list
}

// report prints the summary the way that was asked for.
func (s *pushSummary) report(st streams, json, quiet bool) error {
	switch {
	case json:
		return writeJSON(st.out, s)
	case quiet:
		return nil
	}
	_, err := fmt.Fprint(st.err, s.text())
	return err
}
