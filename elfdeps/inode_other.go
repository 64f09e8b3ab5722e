//go:build !unix

package elfdeps

import "io/fs"

type inode struct{}

// inodeOf knows no inodes here; real paths tell files apart.
func inodeOf(fs.FileInfo) (inode, bool) { return inode{}, false }
