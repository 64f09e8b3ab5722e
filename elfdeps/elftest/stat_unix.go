//go:build unix

package elftest

import "syscall"

// sysOf returns what [fs.FileInfo.Sys] returns for a file of [os.DirFS], as far as it tells files from each other.
func sysOf(ino uint64) any {
	return &syscall.Stat_t{Dev: 1, Ino: ino}
}
