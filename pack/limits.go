package pack

import "cmp"

// Limits bound what reading an image may cost, as a few bytes of it can stand for
// any number of them. Zero fields mean the default.
type Limits struct {
	Bytes   int64 // of the tar of one layer: 64 GiB
	Ratio   int64 // of these to the bytes of the blob, where they are more than 1 GiB: 200
	Entries int   // in all layers of an image: 1,000,000
}

const (
	maxTar     = 64 << 30
	maxRatio   = 200
	smallTar   = 1 << 30 // whose ratio does not matter
	maxEntries = 1_000_000
	maxPaths   = 64 << 20 // bytes in all paths and links of an image
	maxPath    = 4096     // bytes in one of them, as PATH_MAX of Linux
)

// tar returns how long the tar in a blob of the given size may be.
func (l Limits) tar(blob int64) int64 {
	return min(cmp.Or(l.Bytes, maxTar), max(smallTar, cmp.Or(l.Ratio, maxRatio)*blob))
}

// archive returns how long an archive may be that is compressed as a whole.
func (l Limits) archive() int64 { return cmp.Or(l.Bytes, maxTar) }

// A budget is what of the limits is left for the layers to come.
type budget struct {
	entries int
	paths   int
}

func (l Limits) budget() *budget { return &budget{cmp.Or(l.Entries, maxEntries), maxPaths} }

// spend says why a layer's entry is one too many, or "".
func (b *budget) spend(name, link string) string {
	b.entries--
	b.paths -= len(name) + len(link)
	switch {
	case len(name) > maxPath || len(link) > maxPath:
		return "is a path of more than 4096 bytes"
	case b.entries < 0:
		return "is one entry more than the limit"
	case b.paths < 0:
		return "makes the paths of the image longer than 64 MiB"
	}
	return ""
}
