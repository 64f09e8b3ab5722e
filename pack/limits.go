package pack

import "cmp"

// Limits bound what reading a layer may cost, as a few bytes of it can stand for
// any number of them. Zero fields mean the default.
type Limits struct {
	Bytes int64 // of the tar of one layer: 64 GiB
	Ratio int64 // of these to the bytes of the blob, where they are more than 1 GiB: 200
}

const (
	maxTar   = 64 << 30
	maxRatio = 200
	smallTar = 1 << 30 // whose ratio does not matter
)

// tar returns how long the tar in a blob of the given size may be.
func (l Limits) tar(blob int64) int64 {
	return min(cmp.Or(l.Bytes, maxTar), max(smallTar, cmp.Or(l.Ratio, maxRatio)*blob))
}

// archive returns how long an archive may be that is compressed as a whole.
func (l Limits) archive() int64 { return cmp.Or(l.Bytes, maxTar) }
