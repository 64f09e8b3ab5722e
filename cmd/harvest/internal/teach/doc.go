// Package teach shows how an image is made by hand.
//
// [Explain] tells of a build step by step: a sentence or two, the values of that
// very build, and the shell commands that give the same. [Script] writes a shell
// script that makes the image again, to the byte, with nothing but coreutils and
// GNU tar.
//
// All that is said stands in texts.yaml, in English and in Chinese side by side.
// Commands are the same in both languages, and tests run them.
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
	Parts  []plan.Part  // what the topmost layers were made of, the lowest first
	Latest time.Time    // no file of these layers is later
	Blobs  []pack.Blob  // all layers, as they were written
	Host   *rootfs.Host // of the plan
	Root   string       // where that is on this system, "" for /
	Flat   bool         // things are not where the host has them

	Output Output
}

// Output is where the image was written to.
type Output struct {
	File   string // "" if no file was kept
	Format Format
	Next   []string // the commands that load and run it, as far as that can be said
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
	Chain          // of pack.WriteV1
	Layer          // the tar of a layer alone
	Root           // a folder with what is in the layers, and no image
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
