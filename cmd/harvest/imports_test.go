package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/harvest-oci/harvest/"

// A rule says what the packages below a folder must not import.
type rule struct {
	folder string
	except []string // folders below it to which the rule does not apply
	only   []string // of this module, besides itself; nil for anything
	never  []string // of others
	std    bool     // of others, the standard library only
}

// The one direction of flow: cmd joins, rootfs/plan joins closure and tree,
// elfdeps knows files only, pack knows trees only.
var rules = []rule{
	{folder: "elfdeps", only: []string{}, never: []string{"os", "os/exec", "net"}, std: true, except: []string{"elfdeps/ldso"}},
	{folder: "rootfs", only: []string{}, never: []string{"os/exec", "net", "net/http"}, except: []string{"rootfs/plan"}},
	{folder: "rootfs/plan", only: []string{"elfdeps", "rootfs"}, never: []string{"os", "os/exec", "net", "net/http"}},
	{folder: "pack", only: []string{"rootfs"}, never: []string{"os/exec", "net", "net/http"}, except: []string{"pack/registry"}},
}

func TestImportsGoOneWay(t *testing.T) {
	packages := 0
	for _, p := range list(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		for _, r := range rules {
			if !below(folder, r.folder) || slices.ContainsFunc(r.except, func(e string) bool { return below(folder, e) }) {
				continue
			}
			packages++
			for _, imported := range p.Imports {
				if why := r.forbids(imported); why != "" {
					t.Errorf("%s imports %s: %s", folder, imported, why)
				}
			}
		}
	}
	if packages < len(rules) {
		t.Fatalf("only %d packages were looked at", packages)
	}
}

// forbids says why a package under the rule must not import another.
func (r rule) forbids(imported string) string {
	if folder, ours := strings.CutPrefix(imported, module); ours {
		if below(folder, r.folder) || slices.ContainsFunc(r.only, func(o string) bool { return below(folder, o) }) {
			return ""
		}
		return "it is not below it in the design"
	}
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case r.std && strings.Contains(first, "."):
		return "it is not of the standard library"
	case slices.Contains(r.never, imported):
		return "it is not for this package"
	}
	return ""
}

func below(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

type listed struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
