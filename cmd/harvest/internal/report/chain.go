package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// A step is a digest, what it is of, and what does the same in a shell.
type step struct {
	Of    string // what is hashed
	Gives string // what the digest is called
	Sum   digest.Digest
	Size  int64  // bytes that are hashed, 0 if unknown
	Next  string // where the digest goes
	Shell string // "" if there is no such line
}

// steps returns the chain of digests, from the tar of each layer to the manifest.
func (s *Source) steps() []step {
	var steps []step
	for i, l := range s.Layers {
		which := "the layer"
		if len(s.Layers) > 1 {
			which = fmt.Sprintf("layer %d", i+1)
		}
		tar := step{Of: "the tar of " + which, Gives: "diff_id", Sum: l.DiffID, Next: "which the config lists in rootfs.diff_ids"}
		compression := ""
		if _, c, ok := strings.Cut(l.MediaType, "+"); ok {
			compression = c
		}
		if compression == "" {
			tar.Size = l.Size
			if tar.Shell = s.shell(i, l.Digest); s.Documents.Manifest != nil {
				tar.Gives, tar.Next = "diff_id, and digest of "+which, "which the config lists in rootfs.diff_ids, and the manifest in layers, since it is not compressed"
			}
			steps = append(steps, tar)
			continue
		}
		if read := s.read(i, l.Digest); read != "" {
			tar.Shell = read + " | " + compression + " -d | sha256sum"
		}
		steps = append(steps, tar, step{
			Of: which + " as it is sent, a " + compression + " of the tar", Gives: "digest of " + which, Sum: l.Digest, Size: l.Size,
			Next: "which the manifest lists in layers", Shell: s.shell(i, l.Digest),
		})
	}
	if id := digestOf(s.Documents.Config); id != "" {
		next := "by which engines know the image"
		if s.Documents.Manifest != nil {
			next += ", and which the manifest names as its config"
		}
		steps = append(steps, step{Of: "the config", Gives: "image ID", Sum: id, Size: int64(len(s.Documents.Config)), Next: next, Shell: s.shell(isConfig, id)})
	}
	if id := digestOf(s.Documents.Manifest); id != "" {
		steps = append(steps, step{
			Of: "the manifest", Gives: "digest of the image", Sum: id, Size: int64(len(s.Documents.Manifest)),
			Next: "by which registries know the image, and what follows @ in docker pull NAME@DIGEST", Shell: s.shell(isManifest, id),
		})
	}
	return steps
}

// What a blob is, if it is not a layer.
const (
	isConfig   = -1
	isManifest = -2
)

// shell returns the command that prints the digest of a blob.
func (s *Source) shell(blob int, sum digest.Digest) string {
	if read := s.read(blob, sum); read != "" {
		return read + " | sha256sum"
	}
	return ""
}

// read returns the command that prints a blob, "" if there is none.
func (s *Source) read(blob int, sum digest.Digest) string {
	name := shellWord(s.Place.Name)
	switch s.Place.Kind {
	case Archive:
		if sum != "" {
			return fmt.Sprintf("tar -xOf %s blobs/sha256/%s", name, sum.Encoded())
		}
	case Layout:
		if sum != "" {
			return fmt.Sprintf("cat %s/blobs/sha256/%s", name, sum.Encoded())
		}
	case Docker:
		member := fmt.Sprintf(".[0].Layers[%d]", blob)
		if blob == isConfig {
			member = ".[0].Config"
		}
		if blob != isManifest {
			return fmt.Sprintf("tar -xOf %s \"$(tar -xOf %s manifest.json | jq -r '%s')\"", name, name, member)
		}
	case Registry:
		switch blob {
		case isConfig:
			return "skopeo inspect --raw --config docker://" + name
		case isManifest:
			return "skopeo inspect --raw docker://" + name
		}
	}
	return ""
}

// indented returns a document for reading.
func indented(document []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, document, "", "  ") != nil {
		return string(document)
	}
	return b.String()
}
