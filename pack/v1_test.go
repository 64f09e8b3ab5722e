package pack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/harvest-oci/harvest/pack"
)

func TestLegacyArchiveIsAChainOfLayers(t *testing.T) {
	data, d := archiveOf(t, threeLayers(t, pack.Compression{}), pack.WriteV1)
	m := files(t, data)
	var docker []struct {
		Config string
		Layers []string
	}
	parse(t, m["manifest.json"], &docker)
	if want := d.Image.Encoded() + ".json"; docker[0].Config != want || m[want] == nil {
		t.Errorf("config %s, want %s", docker[0].Config, want)
	}
	parent := ""
	for i, name := range docker[0].Layers {
		id := strings.TrimSuffix(name, "/layer.tar")
		if digest.FromBytes(m[name]) != d.Layers[i].Digest || string(m[id+"/VERSION"]) != "1.0" {
			t.Errorf("%s is not %+v, or of version %q", name, d.Layers[i], m[id+"/VERSION"])
		}
		var l struct{ ID, Parent, Architecture, OS string }
		parse(t, m[id+"/json"], &l)
		if l.ID != id || l.Parent != parent || l.Architecture != "amd64" || l.OS != "linux" {
			t.Errorf("%s/json says %+v, want the parent %s", id, l, parent)
		}
		parent = id
	}
	want := `{"127.0.0.1:5000/team/basic":{"v2":"` + parent + `"},"basic":{"v1":"` + parent + `"}}`
	if got := string(m["repositories"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(m) != 3*3+3 {
		t.Errorf("%d members:\n%s", len(m), listing(t, data))
	}
}

// The chain is all that there was before manifest.json.
func TestLegacyArchiveIsReadWithoutAManifest(t *testing.T) {
	for _, c := range compressions {
		want := threeLayers(t, c)
		data, d := archiveOf(t, want, pack.WriteV1)
		var list []member
		for h, body := range members(t, data) {
			if h.Name != "manifest.json" && !strings.HasPrefix(h.Name, d.Image.Encoded()) {
				list = append(list, file(h.Name, string(body)))
			}
		}
		s, err := openBytes(makeTar(t, list...))
		img := onlyImage(t, s, err)
		slices.Sort(want.Tags)
		if s.Format != pack.FormatV1 || !slices.Equal(img.Tags, want.Tags) {
			t.Errorf("%s: format %s, tags %q", c, s.Format, img.Tags)
		}
		_, again := archiveOf(t, img, pack.WriteArchive)
		if again.Image != d.Image || !slices.Equal(again.Layers, d.Layers) {
			t.Errorf("%s: written again it is %+v, was %+v", c, again, d)
		}
		if got := openFiles(t, img).Entry("/etc/last"); got == nil {
			t.Errorf("%s: the last layer is not the topmost", c)
		}
		if faults, err := s.Verify(t.Context(), pack.Limits{}); err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", c, faults, err)
		}
	}
}

func TestAnotherLayerOrConfigHasAnotherLegacyID(t *testing.T) {
	ids := make(map[string]bool)
	for _, change := range []func(img *pack.Image){
		func(*pack.Image) {},
		func(img *pack.Image) { img.Config.User = "1" },
		func(img *pack.Image) { img.History[0].CreatedBy = "other" },
		func(img *pack.Image) { img.Layers[0] = img.Layers[2] },
		func(img *pack.Image) { img.Layers[1], img.Layers[2] = img.Layers[2], img.Layers[1] },
	} {
		img := threeLayers(t, pack.Compression{})
		change(img)
		data, _ := archiveOf(t, img, pack.WriteV1)
		ids[string(files(t, data)["repositories"])] = true
	}
	if len(ids) != 5 {
		t.Errorf("5 images have %d IDs", len(ids))
	}
}
