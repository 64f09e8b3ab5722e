package pack

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

// Files are the root file system that the layers of an image make, one upon the
// other: each hides what it replaces, and its whiteouts what is below.
type Files struct {
	// Tree is that root. Its entries read their contents out of the layers for as
	// long as Files is not closed, and name the layer that they are from.
	Tree *rootfs.Tree

	layers []*layerTar
}

// OpenFiles reads the headers of an image's layers, and passes over contents
// where a layer is not compressed. What breaks the rules of layers is a
// *[FaultError].
//
// Contents come straight from a layer that is not compressed and lies in a file,
// and are not checked: [Verify] does that. The tar of any other layer is copied
// to a temporary file when the first of its files is opened.
func OpenFiles(ctx context.Context, img *Image, limits Limits) (*Files, error) {
	return openFiles(ctx, img, limits, false)
}

func openFiles(ctx context.Context, img *Image, limits Limits, check bool) (*Files, error) {
	f := &Files{}
	root := &node{}
	budget := limits.budget()
	for i, l := range img.Layers {
		file := &layerTar{layer: l, limits: limits}
		file.tar = sync.OnceValues(file.open)
		f.layers = append(f.layers, file)
		u := &upper{root: root, file: file, index: i}
		if err := u.read(ctx, budget, check); err != nil {
			return nil, errors.Join(fmt.Errorf("reading layer %d: %w", i, err), f.Close())
		}
	}
	f.Tree = &rootfs.Tree{}
	if err := root.addTo(f.Tree, "/"); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close frees what reading contents has opened.
func (f *Files) Close() error {
	var errs []error
	for _, l := range f.layers {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// UnpackOptions say what [Unpack] does.
type UnpackOptions struct {
	Limits  Limits
	Devices Devices
}

// Devices say what becomes of the devices of an image, through which whoever gets
// at them gets at the machine.
type Devices int

// What becomes of devices.
const (
	RefuseDevices Devices = iota // one is an error that wraps [ErrDevice]
	SkipDevices                  // they are left out
	MakeDevices                  // they are made, which needs privilege
)

// ErrDevice is the error for a device that is not to be unpacked.
var ErrDevice = errors.New("is a device, and devices are not unpacked unless that is asked for")

// Unpack writes the root file system of an image below dir, which must exist and
// should be empty, and checks the layers before. As with [rootfs.Tree.Stage],
// nothing is written outside of dir, and owners need privilege.
func Unpack(ctx context.Context, img *Image, dir string, o UnpackOptions) (err error) {
	f, err := openFiles(ctx, img, o.Limits, true)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	tree, err := o.Devices.of(f.Tree)
	if err != nil {
		return err
	}
	return tree.Stage(ctx, dir, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
}

// of returns what is to be unpacked of a tree.
func (d Devices) of(t *rootfs.Tree) (*rootfs.Tree, error) {
	if d == MakeDevices {
		return t, nil
	}
	rest := &rootfs.Tree{}
	for e := range t.All() {
		switch {
		case e.Mode&fs.ModeDevice == 0:
			if err := rest.Add(e); err != nil {
				return nil, err
			}
		case d == RefuseDevices:
			return nil, fmt.Errorf("%s %w", e.Path, ErrDevice)
		}
	}
	return rest, nil
}

// A layerTar is a layer whose files are read where they are in its tar.
type layerTar struct {
	layer  Layer
	limits Limits
	tar    func() (io.ReaderAt, error) // open, called once
	file   io.Closer                   // what that has opened, or nil
}

// open returns the tar, in place if that can be.
func (l *layerTar) open() (io.ReaderAt, error) {
	tar, file, err := l.inPlace()
	if tar == nil && err == nil {
		tar, file, err = l.spooled()
	}
	l.file = file
	return tar, err
}

// inPlace opens the tar of a layer that is one and lies in a file. Of any other
// it is nil.
func (l *layerTar) inPlace() (io.ReaderAt, io.Closer, error) {
	b, ok := l.layer.(*blobLayer)
	if !ok || b.blob.compressed() {
		return nil, nil, nil
	}
	f, err := b.open()
	if err != nil {
		return nil, nil, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		return r, f, nil
	}
	return nil, nil, f.Close()
}

// spooled copies the tar to a file that has no name.
func (l *layerTar) spooled() (_ io.ReaderAt, _ io.Closer, err error) {
	r, err := OpenTar(l.layer, l.limits)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = cmp.Or(err, r.Close()) }()
	f, err := os.CreateTemp("", "harvest-layer-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, f, err
	}
	_, err = io.Copy(f, r)
	return f, f, err
}

func (l *layerTar) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// contents are the bytes of a file in a layer. Hard links have the same.
type contents struct {
	in       *layerTar
	at, size int64
}

func (c contents) Open() (fs.File, error) {
	tar, err := c.in.tar()
	if err != nil {
		return nil, err
	}
	return &tarFile{io.NewSectionReader(tar, c.at, c.size), "contents", tarMember{at: c.at, size: c.size}}, nil
}

// Same reports whether other contents are at the same place of a layer with the
// same diff ID, as of images upon one base.
func (c contents) Same(other rootfs.Contents) bool {
	o, ok := other.(contents)
	if !ok || c.at != o.at || c.size != o.size {
		return false
	}
	a, b := c.in.layer.Blob().DiffID, o.in.layer.Blob().DiffID
	return a != "" && a == b
}

// A node is a path of the root file system that is being put together.
type node struct {
	entry *rootfs.Entry    // nil for a folder that no layer has an entry for
	layer int              // that it is from
	below map[string]*node // by name, of a folder
}

func (n *node) isDir() bool { return n.entry == nil || n.entry.Mode.IsDir() }

// set puts a node into a folder.
func (n *node) set(name string, child *node) {
	if n.below == nil {
		n.below = make(map[string]*node)
	}
	n.below[name] = child
}

// lower removes all that layers before the given one have put below a folder.
func (n *node) lower(layer int) {
	for name, child := range n.below {
		child.lower(layer)
		if child.layer < layer {
			if len(child.below) == 0 {
				delete(n.below, name)
				continue
			}
			child.entry, child.layer = nil, layer // what this layer has in it needs a folder
		}
	}
}

// addTo adds a node and all below it to a tree.
func (n *node) addTo(t *rootfs.Tree, p string) error {
	if n.entry != nil {
		if err := t.Add(n.entry.For(layerReason(n.layer))); err != nil {
			return err
		}
	} else if p != "/" {
		if err := t.Add(rootfs.Dir(p, 0o755).For(layerReason(n.layer))); err != nil {
			return err
		}
	}
	for name, child := range n.below {
		if err := child.addTo(t, path.Join(p, name)); err != nil {
			return err
		}
	}
	return nil
}

// layerReason is why an image has what is in a layer, which people count from 1.
func layerReason(i int) rootfs.Reason {
	return rootfs.Reason{Kind: "layer", Text: fmt.Sprint(i + 1)}
}

// An upper is a layer on its way onto those below it.
type upper struct {
	root  *node
	file  *layerTar
	index int
}

func (u *upper) read(ctx context.Context, b *budget, check bool) error {
	s := newScan(u.file.layer, b)
	s.visit = func(c change, _ io.Reader) error { return u.apply(c) }
	if !check {
		r, file, err := u.file.inPlace()
		if err != nil {
			return err
		}
		if r != nil {
			defer file.Close()
			return s.headers(ctx, r, u.file.layer.Blob().Size)
		}
	}
	return s.stream(ctx, u.file.layer, u.file.limits)
}

// apply makes a change to the root file system.
func (u *upper) apply(c change) error {
	if c.path == "/" {
		switch {
		case c.opaque:
			u.root.lower(u.index)
		case !c.remove:
			u.root.entry, u.root.layer = entryOf(c), u.index
		}
		return nil
	}
	parent := u.folder(path.Dir(c.path))
	name := path.Base(c.path)
	have := parent.below[name]
	switch {
	case c.remove:
		if have != nil {
			u.remove(parent, name, have)
		}
	case c.opaque:
		u.folder(c.path).lower(u.index)
	case have != nil && have.isDir() && c.Typeflag == tar.TypeDir:
		have.entry, have.layer = entryOf(c), u.index
	default:
		parent.set(name, &node{entry: u.entry(c), layer: u.index})
	}
	return nil
}

// remove takes away what is not of this layer.
func (u *upper) remove(parent *node, name string, have *node) {
	have.lower(u.index)
	switch {
	case have.layer == u.index:
	case len(have.below) == 0:
		delete(parent.below, name)
	default:
		have.entry, have.layer = nil, u.index
	}
}

// folder returns the folder at a rooted path. What it lacks is made, and what is
// no folder gives way to one, as with all engines: a link to a folder that a
// lower layer has there is not followed.
func (u *upper) folder(p string) *node {
	if p == "/" {
		return u.root
	}
	parent := u.folder(path.Dir(p))
	name := path.Base(p)
	n := parent.below[name]
	if n == nil || !n.isDir() {
		n = &node{layer: u.index}
		parent.set(name, n)
	}
	return n
}

// entry returns the entry that a change sets.
func (u *upper) entry(c change) *rootfs.Entry {
	switch c.Typeflag {
	case tar.TypeReg:
		e := rootfs.FileFrom(c.path, 0, c.Size, contents{u.file, c.at, c.Size})
		return attributes(e, c)
	case tar.TypeLink:
		to := *u.folder(path.Dir(c.target)).below[path.Base(c.target)].entry // which the scan has seen
		to.Path, to.Why = c.path, nil
		return &to
	}
	return entryOf(c)
}

// entryOf returns the entry of what has no contents.
func entryOf(c change) *rootfs.Entry {
	e := &rootfs.Entry{Path: c.path}
	if c.Typeflag == tar.TypeSymlink {
		e.Link = c.Linkname
	}
	e.Major, e.Minor = uint32(c.Devmajor), uint32(c.Devminor)
	return attributes(e, c)
}

// attributes gives an entry mode, owner, time and extended attributes.
func attributes(e *rootfs.Entry, c change) *rootfs.Entry {
	e.Mode = c.FileInfo().Mode()
	e.UID, e.GID, e.ModTime = c.Uid, c.Gid, c.ModTime
	for record, value := range c.PAXRecords {
		name, ok := strings.CutPrefix(record, "SCHILY.xattr.")
		if !ok {
			continue
		}
		if e.XAttrs == nil {
			e.XAttrs = make(map[string]string)
		}
		e.XAttrs[name] = value
	}
	return e
}
