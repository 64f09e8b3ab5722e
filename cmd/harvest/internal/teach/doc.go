// Package teach shows how an image is made by hand.
//
// [Script] writes a shell script that makes an image again, to the byte, with
// nothing but coreutils and GNU tar.
//
// All that is said stands in texts.yaml, in English and in Chinese side by side.
// Tests run the scripts.
//
// The package renders what it is given. It runs nothing, and of files reads only
// those that go into the image.
package teach

import (
	"time"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A Build is an image with all that led to it.
type Build struct {
	Plan   *plan.Plan
	Image  *pack.Image
	Parts  []plan.Part // what the topmost layers were made of, the lowest first
	Latest time.Time   // no file of these layers is later
	Blobs  []pack.Blob // all layers, as they were written
	Root   string      // where the plan's host is on this system, "" for /

	Output Output
}

// Output is where the image was written to.
type Output struct {
	File   string // "" if no file was kept
	Format Format
}

// A Format is what an output is.
type Format int

// The formats. What is none of the others shows no member that commands could
// name.
const (
	Other   Format = iota
	Archive        // of pack.WriteArchive
	Docker         // of pack.WriteDocker
	Layout         // a folder, of pack.WriteLayout
	Layer          // the tar of a layer alone
)

// name returns what the image is called.
func (b *Build) name() string {
	if len(b.Image.Tags) > 0 {
		return pack.ShortTag(b.Image.Tags[0])
	}
	return ""
}

// below returns how many layers are a base's.
func (b *Build) below() int { return len(b.Blobs) - len(b.Parts) }

// trees returns what the topmost layers were made of.
func (b *Build) trees() []*rootfs.Tree {
	trees := make([]*rootfs.Tree, len(b.Parts))
	for i, part := range b.Parts {
		trees[i] = part.Tree
	}
	return trees
}
