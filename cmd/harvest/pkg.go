package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/spelling"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	ownerdb "github.com/harvest-oci/harvest/rootfs/owner" // owner is whose an entry is
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// names reports whether flags name something to harvest.
func (s *selection) names() bool { return len(s.bins)+len(s.pkgs)+len(s.pkgOf) > 0 }

// first returns what the user named first, after which a file is called that has
// no other name.
func (s *selection) first() string {
	for _, list := range [][]string{s.bins, s.pkgOf} {
		if len(list) > 0 {
			return list[0]
		}
	}
	name, _, _ := strings.Cut(s.pkgs[0], ":")
	return name
}

// packages sets what a spec takes from packages.
func (s *selection) packages(spec *plan.Spec) error {
	spec.Packages = s.pkgs
	for _, name := range s.pkgs {
		base, arch, colon := strings.Cut(name, ":")
		if base == "" || strings.ContainsAny(name, "/ \t\n") || colon && arch == "" {
			return usagef("--pkg %q: give it as NAME or NAME:ARCH, as in vim or libc6:amd64", name)
		}
	}
	programs, err := s.inputs("--pkg-of", s.pkgOf)
	if err != nil {
		return err
	}
	for _, in := range programs {
		if in.Dest != "" {
			return usagef("--pkg-of %s: what a package has goes where the package has it", in)
		}
		spec.PackageOf = append(spec.PackageOf, in.Source)
	}
	return nil
}

// mostGuesses is how many names are suggested for one that is unknown.
const mostGuesses = 5

// packageHint is advice on packages that are not to be had.
func packageHint(e *plan.UnknownPackageError) string {
	name, _, _ := strings.Cut(e.Name, ":")
	switch {
	case len(e.Archs) > 0:
		return "name one, as in --pkg " + name + ":" + e.Archs[0]
	case len(e.Known) == 0:
		return "--bin ships programs, --add files and folders, of any root"
	}
	if near := spelling.Near(name, e.Known, mostGuesses); len(near) > 0 {
		return "there is " + strings.Join(near, ", ")
	}
	return "harvest takes files from a root, so install it there; harvest downloads none"
}

// A shipment is what has come of a package, as JSON.
type shipment struct {
	By      string `json:"by"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	Paths   int    `json:"paths"`
	Size    int64  `json:"size"`
	LeftOut int    `json:"leftOut"`
}

func shipments(list []plan.Shipment) []shipment {
	var s []shipment
	for _, p := range list {
		s = append(s, shipment(p))
	}
	return s
}

// packageLine says what has come of a package.
func packageLine(p plan.Shipment) string {
	text := fmt.Sprintf("%s %s, %s, %s", p.Name, p.Version, count(p.Paths, "path"), units.Size(p.Size))
	if p.LeftOut > 0 {
		text += fmt.Sprintf("; %d left out", p.LeftOut)
	}
	return text
}

// completePackages completes a flag to the packages of the root.
func (s *selection) completePackages(cmd *cobra.Command, flag string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []string
		if host, err := s.host(); err == nil {
			_ = unlessDone(context.Background(), func() error {
				db, err := ownerdb.Open(host)
				if err != nil {
					return err
				}
				for _, p := range db.Packages() {
					if strings.HasPrefix(p.Name, begun) {
						words = append(words, cobra.CompletionWithDesc(p.Name, p.Version))
					}
				}
				return nil
			})
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
}
