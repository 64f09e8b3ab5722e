package elfdeps_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// systemPrograms returns the ELF programs of some folders, without the names
// that cannot be run here.
func systemPrograms(t testing.TB, dirs ...string) []string {
	t.Helper()
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Skip(err)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if isELF(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func isELF(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}
