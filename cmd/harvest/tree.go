package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// treeHelp is what verbs say of an argument that may be more than an image.
const treeHelp = `What is no image is a root file system itself: any other folder, or a tar such as
docker export writes.`

// An openTree is a root file system that a verb reads: that of an image, of a
// folder or in a bare tar.
type openTree struct {
	*rootfs.Tree
	Image    *pack.Image // nil if it is none
	isFolder bool        // of this machine
	limits   pack.Limits
	closers  []io.Closer
}

// Close closes what reading the tree has opened.
func (t *openTree) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openRoot opens the root file system that a name leads to. Contents can be read
// until it is closed.
func (o *imageOrigin) openRoot(ctx context.Context, s streams, name string) (*openTree, error) {
	file, chosen, err := splitImage(name)
	if errors.Is(err, errNoSource) && inRegistry(name) {
		list, err := o.pull(ctx, s, name)
		if err != nil {
			return nil, err
		}
		t := &openTree{limits: o.limits(), closers: []io.Closer{list}}
		return t.orClosed(name, t.addImage(ctx, list))
	}
	if err != nil {
		return nil, err
	}
	list := &images{limits: o.limits()}
	t := &openTree{limits: o.limits(), closers: []io.Closer{list}}
	switch err = list.open(ctx, s, file); {
	case err == nil:
		if err = list.choose(chosen, o.platform); err == nil {
			err = t.addImage(ctx, list)
		}
	case errors.Is(err, pack.ErrNoImage) && chosen == "":
		err = t.addBare(ctx, file, list.temp)
	}
	return t.orClosed(name, err)
}

// orClosed returns the tree, or closes it if there is an error.
func (t *openTree) orClosed(name string, err error) (*openTree, error) {
	if err != nil {
		t.Close()
		return nil, naming(name, err)
	}
	return t, nil
}

// addImage makes the tree that of the one image that is wanted.
func (t *openTree) addImage(ctx context.Context, list *images) error {
	if _, err := list.one(); err != nil {
		return err
	}
	if err := list.fetch(ctx); err != nil {
		return err
	}
	t.Image = list.wanted[0]
	return t.addLayers(ctx, t.Image)
}

func (t *openTree) addLayers(ctx context.Context, img *pack.Image) error {
	return unlessDone(ctx, func() error {
		files, err := pack.OpenFiles(ctx, img, t.limits)
		if err != nil {
			return err
		}
		t.Tree = files.Tree
		t.closers = append([]io.Closer{files}, t.closers...)
		return nil
	})
}

// addBare makes the tree that of a folder, or of a tar, which is in temp if that
// is not nil.
func (t *openTree) addBare(ctx context.Context, file string, temp *os.File) error {
	if temp == nil {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if info.IsDir() {
			t.isFolder = true
			t.Tree, err = livingTree(ctx, file)
			return err
		}
		if temp, err = os.Open(file); err != nil {
			return err
		}
		t.closers = append(t.closers, temp)
	}
	layer, err := tarLayer(temp)
	if err != nil {
		return err
	}
	return t.addLayers(ctx, &pack.Image{Layers: []pack.Layer{layer}})
}

// livingTree returns what is in a folder, but for sockets, which no image could
// hold: somebody may be using it.
func livingTree(ctx context.Context, dir string) (*rootfs.Tree, error) {
	t := &rootfs.Tree{}
	err := unlessDone(ctx, func() error {
		host, err := rootfs.OpenHost(dir)
		if err != nil {
			return err
		}
		return addLiving(t, host, "/", rootfs.Reason{Kind: "added", From: dir})
	})
	return t, err
}

func addLiving(t *rootfs.Tree, host *rootfs.Host, dir string, why rootfs.Reason) error {
	list, err := host.ReadDir(cmp.Or(dir[1:], "."))
	if err != nil {
		return unlessGone(err)
	}
	for _, d := range list {
		name := path.Join(dir, d.Name())
		if d.Type()&fs.ModeSocket != 0 {
			continue
		}
		e, err := host.Entry(name)
		if err == nil {
			err = t.Add(e.For(why))
		}
		if err == nil && d.IsDir() && !isKernels(host, name) {
			err = addLiving(t, host, name, why)
		}
		if err := unlessGone(err); err != nil {
			return err
		}
	}
	return nil
}

// isKernels reports whether a folder of a root is one that the kernel has mounted
// there, as into that of the running system: what is in it is part of no image.
func isKernels(host *rootfs.Host, name string) bool {
	if !slices.Contains([]string{"/proc", "/sys", "/dev"}, name) {
		return false
	}
	top, err := host.Stat(".")
	if err != nil {
		return false
	}
	info, err := host.Stat(name[1:])
	if err != nil {
		return false
	}
	a, ok := top.Sys().(*syscall.Stat_t)
	b, also := info.Sys().(*syscall.Stat_t)
	return ok && also && a.Dev != b.Dev
}

// unlessGone returns no error for what was there a moment ago.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// folderTree returns all that is in a folder, for a layer.
func folderTree(ctx context.Context, dir string) (*rootfs.Tree, error) {
	t := &rootfs.Tree{}
	err := unlessDone(ctx, func() error {
		host, err := rootfs.OpenHost(dir)
		if err != nil {
			return err
		}
		return t.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "added", From: dir})
	})
	return t, err
}

// tarLayer returns the layer that is the tar in a file.
func tarLayer(f *os.File) (pack.Layer, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return pack.FileLayer(f, info.Size())
}
