package report

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

// A packageRow is a package of which something is in the image.
type packageRow struct {
	Name, Version, Arch, Kind string
	Source                    string
	Licences                  string // as the database words them, or the file that has them
	Absent                    bool   // Licences is a file that the image has not
	Here, Of                  int    // files in the image, and of the package in all
	Size                      int64
}

// packageRows returns the packages by name.
func packageRows(s *Source) ([]*packageRow, error) {
	rows := make(map[*owner.Package]*packageRow)
	var list []*packageRow
	for e := range s.Root.All() {
		o, ok := s.Own(e)
		if !ok || e.Mode.IsDir() || o.Link {
			continue
		}
		row := rows[o.Package]
		if row == nil {
			var err error
			if row, err = newPackageRow(s.Root, o.Package); err != nil {
				return nil, err
			}
			rows[o.Package] = row
			list = append(list, row)
		}
		row.Here++
		if e.Hardlink == "" {
			row.Size += e.Size
		}
	}
	slices.SortFunc(list, func(a, b *packageRow) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
	})
	return list, nil
}

func newPackageRow(root *rootfs.Tree, p *owner.Package) (*packageRow, error) {
	files, err := p.Files()
	if err != nil {
		return nil, err
	}
	row := &packageRow{
		Name: p.Name, Version: p.Version, Arch: p.Arch, Kind: string(p.Kind), Of: len(files),
		Source: strings.TrimSpace(p.Source + " " + p.SourceVersion), Licences: strings.Join(p.Licenses, ", "),
	}
	if p.Source == p.Name && p.SourceVersion == p.Version {
		row.Source = ""
	}
	if p.Kind == owner.Deb {
		row.Licences = "/usr/share/doc/" + p.Name + "/copyright"
		_, err := fs.Stat(root, row.Licences[1:])
		row.Absent = err != nil
	}
	return row, nil
}
