package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// contents lists what is below a folder, and what the files hold.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		b.WriteString(rel + "=" + string(data) + " ")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// writeOne returns what writes a folder of one file, and then fails if err says so.
func writeOne(text string, err error) func(dir string) error {
	return func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o666), err)
	}
}

// What is left of a folder that was not to be goes, whatever its modes.
func TestAFolderThatFailsLeavesNothing(t *testing.T) {
	failed := errors.New("failed")
	dir := t.TempDir()
	err := writeFolder(t.Context(), filepath.Join(dir, "out"), nil, func(dir string) error {
		locked := filepath.Join(dir, "locked")
		return errors.Join(os.MkdirAll(filepath.Join(locked, "shut", "below"), 0o777),
			os.Chmod(filepath.Join(locked, "shut"), 0), os.Chmod(locked, 0o555), failed)
	})
	if !errors.Is(err, failed) || errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write to any folder; run it as another user")
	}
}

func TestAFolderAppearsWholeOrNotAtAll(t *testing.T) {
	always := func(string) bool { return true }
	failed := errors.New("failed")
	for _, test := range []struct {
		name  string
		write func(dir string) error
		want  string
		err   error
	}{
		{"fresh", writeOne("new", nil), "old/file=old out/file=new ", nil},
		{"old", writeOne("new", nil), "old/file=new ", nil},
		{"fresh", writeOne("new", failed), "old/file=old ", failed},
		{"old", writeOne("new", failed), "old/file=old ", failed},
		// It takes away what is to take the old folder's place.
		{"old", os.Remove, "old/file=old ", os.ErrNotExist},
	} {
		dir := t.TempDir()
		out := filepath.Join(dir, map[string]string{"fresh": "out", "old": "old"}[test.name])
		if err := os.Mkdir(filepath.Join(dir, "old"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := writeOne("old", nil)(filepath.Join(dir, "old")); err != nil {
			t.Fatal(err)
		}
		err := writeFolder(t.Context(), out, always, test.write)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: writeFolder: %v, want %v", test.name, err, test.err)
		}
		if got := contents(t, dir); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
