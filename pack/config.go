package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// config returns the image's config, whose digest is the image ID.
func (img *Image) config(layers []Blob) ([]byte, error) {
	c := configFile{
		Created:  img.created(),
		Author:   img.Author,
		Platform: v1.Platform{Architecture: img.Architecture, OS: img.OS, Variant: img.Variant},
		Config:   img.Config,
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: make([]digest.Digest, len(layers))},
		History:  img.History,
	}
	for i, l := range layers {
		c.RootFS.DiffIDs[i] = l.DiffID
	}
	if img.Read.Config == nil {
		return img.newConfig(c, len(layers))
	}
	return img.oldConfig(c, len(layers))
}

func (img *Image) newConfig(c configFile, layers int) ([]byte, error) {
	if n := filled(c.History); n > layers {
		return nil, fmt.Errorf("the history has %d entries with a layer, the image has %d layers", n, layers)
	}
	c.History = img.history(layers)
	return json.Marshal(c)
}

// oldConfig returns the config that was read, changed only where c says
// something else.
func (img *Image) oldConfig(c configFile, layers int) ([]byte, error) {
	var was configFile
	if err := json.Unmarshal(img.Read.Config, &was); err != nil {
		return nil, err
	}
	if img.Created.Equal(timeOf(was.Created)) {
		c.Created = was.Created // in whatever zone, and be it the zero time, which others write
	}
	c.OSVersion, c.OSFeatures = was.OSVersion, was.OSFeatures
	before, err := json.Marshal(was)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(c)
	if err != nil || bytes.Equal(before, after) {
		return img.Read.Config, err
	}
	if after, err = img.newConfig(c, layers); err != nil {
		return nil, err
	}
	return replaced(img.Read.Config, before, after)
}

// replaced returns the object doc with what differs in the fields of before and of
// after as it is after; all else stays. The fields of "config" are replaced in the
// same way, one by one.
func replaced(doc, before, after []byte) ([]byte, error) {
	fields := make([]map[string]json.RawMessage, 3)
	for i, data := range [][]byte{doc, before, after} {
		if len(data) == 0 || bytes.Equal(data, []byte("null")) {
			continue
		}
		if err := json.Unmarshal(data, &fields[i]); err != nil {
			return nil, err
		}
	}
	have, old, new := fields[0], fields[1], fields[2]
	if have == nil {
		return after, nil
	}
	config := have["config"]
	for name, value := range old {
		if !bytes.Equal(value, new[name]) {
			delete(have, name)
		}
	}
	for name, value := range new {
		if !bytes.Equal(value, old[name]) {
			have[name] = value
		}
	}
	if config != nil {
		merged, err := replaced(config, old["config"], new["config"])
		if err != nil {
			return nil, err
		}
		have["config"] = merged
	}
	return json.Marshal(have)
}

// history returns the image's history with an empty entry for each layer that
// lacks one.
func (img *Image) history(layers int) []v1.History {
	history := append([]v1.History(nil), img.History...)
	for n := filled(history); n < layers; n++ {
		history = append(history, v1.History{Created: img.created()})
	}
	return history
}

// filled counts the entries of a history that have a layer.
func filled(history []v1.History) int {
	n := 0
	for _, h := range history {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// timeOf returns a time that a document says, the zero time where it says none.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// created returns the image's time as JSON has it, nil for none.
func (img *Image) created() *time.Time {
	if img.Created.IsZero() {
		return nil
	}
	created := img.Created.UTC()
	return &created
}
