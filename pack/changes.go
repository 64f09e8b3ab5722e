package pack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/rootfs"
)

// ChangeLayer returns the layer that makes c.After of c.Before where it is put
// upon it, with no mtime later than latest. Contents are as in [TreeLayer].
//
// What is added or modified is there as a whole, below its folders with the
// attributes that they have in the end. What is removed has a whiteout, before
// all else that is in its folder, unless what its path leads through has become
// another thing: that goes with all below it. A folder that keeps nothing of what
// was in it, which was more than one thing, is opaque instead.
func ChangeLayer(c *rootfs.Changeset, latest time.Time) Layer {
	l := &changeLayer{treeLayer: treeLayer{latest: latest}, parts: changedParts(c)}
	l.size = sync.OnceValues(l.measure)
	return l
}

type changeLayer struct {
	treeLayer
	parts []changedPart
}

// A changedPart is an entry of the layer: one of the tree, or a mark.
type changedPart struct {
	entry   *rootfs.Entry
	mark    string // the rooted path of a whiteout
	removes string // the name that it is for, "" if it is for all
}

// changedParts returns what is in a layer, in its order.
func changedParts(c *rootfs.Changeset) []changedPart {
	entries := make(map[string]*rootfs.Entry) // by path, with folders on the way
	removed := make(map[string][]string)      // names, by folder
	for _, change := range c.Changes {
		dir := path.Dir(change.Path)
		switch {
		case change.After != nil:
			entries[change.Path] = change.After
		case isFolder(c.After, dir):
			removed[dir] = append(removed[dir], path.Base(change.Path))
		default:
			continue // it goes with its folder
		}
		for ; dir != "/" && entries[dir] == nil; dir = path.Dir(dir) {
			entries[dir] = c.After.Entry(dir)
		}
	}
	parts := marks(c, "/", removed["/"])
	for _, p := range slices.Sorted(maps.Keys(entries)) {
		parts = append(parts, changedPart{entry: entries[p]})
		parts = append(parts, marks(c, p, removed[p])...)
	}
	return parts
}

func isFolder(t *rootfs.Tree, p string) bool {
	e := t.Entry(p)
	return p == "/" || e != nil && e.Mode.IsDir()
}

// marks returns the whiteouts of a folder.
func marks(c *rootfs.Changeset, dir string, removed []string) []changedPart {
	if dir != "/" && len(removed) > 1 && len(removed) == childrenOf(c.Before, dir) {
		return []changedPart{{mark: path.Join(dir, opaque)}}
	}
	parts := make([]changedPart, len(removed))
	for i, name := range removed {
		parts[i] = changedPart{mark: path.Join(dir, whiteout+name), removes: name}
	}
	return parts
}

// childrenOf counts what lies directly in a folder.
func childrenOf(t *rootfs.Tree, dir string) int {
	list, err := t.ReadDir(dir[1:])
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return len(list)
}

func (l *changeLayer) Blob() Blob           { return Blob{MediaType: v1.MediaTypeImageLayer} }
func (l *changeLayer) Size() (int64, error) { return l.size() }

func (l *changeLayer) measure() (int64, error) {
	size := int64(2 * blockSize)
	var buf bytes.Buffer
	for _, part := range l.parts {
		h, err := l.partHeader(&buf, part)
		if err != nil {
			return 0, err
		}
		size += int64(len(h))
		if part.entry != nil {
			size += contentSize(part.entry) + padding(contentSize(part.entry))
		}
	}
	return size, nil
}

func (l *changeLayer) partHeader(buf *bytes.Buffer, part changedPart) ([]byte, error) {
	if part.entry != nil {
		return l.header(buf, part.entry)
	}
	if strings.HasPrefix(part.removes, whiteout) {
		return nil, fmt.Errorf("%s: no layer can remove a name that begins with %s", path.Join(path.Dir(part.mark), part.removes), whiteout)
	}
	return tarHeader(buf, &tar.Header{Name: part.mark[1:], Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)})
}

func (l *changeLayer) WriteTo(w io.Writer) (n int64, err error) {
	var buf bytes.Buffer
	for _, part := range l.parts {
		m, err := l.writePart(w, &buf, part)
		n += m
		if err != nil {
			return n, err
		}
	}
	m, err := w.Write(zeros[:2*blockSize])
	return n + int64(m), err
}

func (l *changeLayer) writePart(w io.Writer, buf *bytes.Buffer, part changedPart) (int64, error) {
	if part.entry != nil {
		n, err := l.writeEntry(w, buf, part.entry)
		if err != nil {
			err = fmt.Errorf("%s: %w", part.entry.Path, err)
		}
		return n, err
	}
	h, err := l.partHeader(buf, part)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(h)
	return int64(n), err
}
