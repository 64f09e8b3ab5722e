package rootfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestEntryNotesThatItsFileChanged(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, file string)
		open   string // error of Open; "" if only Close can tell
	}{
		{"grown", func(t *testing.T, file string) { appendTo(t, file, "more") }, "changed"},
		{"truncated", func(t *testing.T, file string) { must(t, os.Truncate(file, 3)) }, "changed"},
		{"touched", func(t *testing.T, file string) { must(t, os.Chtimes(file, epoch, epoch.Add(time.Nanosecond))) }, "changed"},
		{"replaced by its copy", replaceByCopy, "changed"},
		{"replaced by a link", func(t *testing.T, file string) {
			must(t, os.Rename(file, file+".old"))
			must(t, os.Symlink(file+".old", file))
		}, "changed"},
		{"replaced by a pipe", func(t *testing.T, file string) {
			must(t, os.Remove(file))
			must(t, makeFile("", file, []string{"pipe"}))
		}, "changed"},
		{"replaced by a folder", func(t *testing.T, file string) {
			must(t, os.Remove(file))
			must(t, os.Mkdir(file, 0o755))
		}, "changed"},
		{"removed", func(t *testing.T, file string) { must(t, os.Remove(file)) }, "changed"},
		{"its folder removed", func(t *testing.T, file string) { must(t, os.RemoveAll(filepath.Dir(file))) }, "changed"},
		{"its mode changed", func(t *testing.T, file string) { must(t, os.Chmod(file, 0o600)) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := onDisk(t, "/etc/group file 0644 10")
			e, err := openHost(t, dir).Entry("/etc/group")
			must(t, err)
			tt.change(t, filepath.Join(dir, "etc/group"))
			f, err := e.Open()
			if tt.open == "" {
				must(t, err)
				must(t, f.Close())
				return
			}
			wantError(t, err, "/etc/group: file changed while packing")
			if !errors.Is(err, rootfs.ErrChanged) {
				t.Errorf("%v is not ErrChanged", err)
			}
		})
	}
}

func TestOpenEntryNotesAChangeWhenItIsClosed(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, file string)
		want   string
	}{
		{"grown", func(t *testing.T, file string) { appendTo(t, file, "more") }, "/etc/group: file changed while packing"},
		{"truncated", func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) }, "/etc/group: file changed while packing"},
		{"written to", func(t *testing.T, file string) { must(t, os.WriteFile(file, []byte("0123456789"), 0)) }, "/etc/group: file changed while packing"},
		{"replaced, and so still what it was", replaceByCopy, ""},
		{"removed, and so still what it was", func(t *testing.T, file string) { must(t, os.Remove(file)) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := onDisk(t, "/etc/group file 0644 10")
			e, err := openHost(t, dir).Entry("/etc/group")
			must(t, err)
			f, err := e.Open()
			must(t, err)
			_, err = io.ReadFull(f, make([]byte, 5))
			must(t, err)
			tt.change(t, filepath.Join(dir, "etc/group"))
			wantError(t, f.Close(), tt.want)
		})
	}
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	must(t, f.Close())
	must(t, os.Chtimes(file, epoch, epoch))
}

func replaceByCopy(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file+".new", data, 0o644))
	must(t, os.Chtimes(file+".new", epoch, epoch))
	must(t, os.Rename(file+".new", file))
}

func TestOnlyRegularFilesOpen(t *testing.T) {
	host := hostOf(t, `
		/run/pipe  pipe 0600
		/dir       dir 0755
		/link      link dir
	`)
	for name, want := range map[string]string{
		"/run/pipe": "open /run/pipe: not a regular file",
		"/dir":      "open /dir: not a regular file",
		"/link":     "open /link: not a regular file",
	} {
		e, err := host.Entry(name)
		must(t, err)
		_, err = e.Open()
		wantError(t, err, want)
	}
}

func TestEntriesDescribeThemselves(t *testing.T) {
	owned := rootfs.File("/x", 0o600, []byte("abc"))
	owned.UID, owned.GID = 1000, 4
	tests := []struct {
		entry *rootfs.Entry
		want  string
	}{
		{rootfs.File("usr//bin/../x", 0o755|fs.ModeSetuid|fs.ModeSetgid, []byte("abc")), "/usr/x file 6755 3"},
		{owned, "/x file 0600 3 1000:4"},
		{rootfs.Dir("/tmp/", fs.ModeSticky|0o777), "/tmp dir 1777"},
		{rootfs.Symlink("/bin", "usr/bin"), "/bin link usr/bin"},
		{&rootfs.Entry{Path: "/b", Mode: 0o755, Hardlink: "/a"}, "/b hardlink /a"},
		{&rootfs.Entry{Path: "/p", Mode: fs.ModeNamedPipe | 0o644}, "/p pipe 0644"},
		{&rootfs.Entry{Path: "/n", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3}, "/n device 0666 1,3"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(tt.entry.Path, " ", tt.entry); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestReasonsReadAsPhrases(t *testing.T) {
	for _, tt := range []struct {
		why  rootfs.Reason
		want string
	}{
		{rootfs.Reason{Kind: "skeleton"}, "skeleton"},
		{rootfs.Reason{Kind: "folder", From: "/bin/sh"}, "folder for /bin/sh"},
		{rootfs.Reason{Kind: "library", From: "/bin/sh", Text: "libc.so.6 by ld.so.cache"}, "library libc.so.6 by ld.so.cache for /bin/sh"},
	} {
		if got := tt.why.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestClampKeepsTimesThatEveryEngineKnows(t *testing.T) {
	latest := time.Unix(1000, 0)
	for _, tt := range []struct{ t, latest, want time.Time }{
		{time.Unix(999, 999), latest, time.Unix(999, 0)},
		{time.Unix(1000, 0), latest, time.Unix(1000, 0)},
		{time.Unix(1000, 1), latest, time.Unix(1000, 0)},
		{time.Unix(2000, 0), latest, time.Unix(1000, 0)},
		{time.Unix(-5, 0), latest, time.Unix(0, 0)},
		{time.Unix(5, 0), time.Unix(-1, 0), time.Unix(0, 0)},
		{time.Time{}, latest, time.Unix(0, 0)},
		{time.Unix(7, 0), time.Time{}, time.Unix(0, 0)},
	} {
		if got := rootfs.Clamp(tt.t, tt.latest); !got.Equal(tt.want) {
			t.Errorf("%v at most %v: got %v, want %v", tt.t, tt.latest, got, tt.want)
		}
	}
}
