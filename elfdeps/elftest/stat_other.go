//go:build !unix

package elftest

// sysOf returns nil: without Unix, there is no type to expect.
func sysOf(uint64) any { return nil }
