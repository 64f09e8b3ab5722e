package rootfs_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/rootfs"
)

// pingCaps is what ping has on Debian: cap_net_raw=ep (capabilities(7)).
const pingCaps = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestCapabilitiesGoFromHostToTreeToDisk(t *testing.T) {
	needRoot(t)
	dir := onDisk(t, "/bin/ping file 4755 5 1:2\n/bin/cat file 0755 5\n/bin/link link ping")
	setAttr(t, filepath.Join(dir, "bin/ping"), "security.capability", pingCaps)
	setAttr(t, filepath.Join(dir, "bin/cat"), "user.comment", "stays behind")

	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(openHost(t, dir), "/", "/", forTest))
	staged := t.TempDir()
	must(t, tree.Stage(t.Context(), staged, epoch))
	again := openHost(t, staged)
	for name, want := range map[string]map[string]string{
		"/bin/ping": {"security.capability": pingCaps},
		"/bin/cat":  nil,
		"/bin/link": nil,
	} {
		e, err := again.Entry(name)
		must(t, err)
		for _, got := range []map[string]string{tree.Entry(name).XAttrs, e.XAttrs} {
			if !maps.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	same(t, onDiskNow(t, staged), "/bin dir 0755\n/bin/cat file 0755 5\n/bin/link link ping\n/bin/ping file 4755 5 1:2")
}

// An image may have other attributes than a host, from which only capabilities are
// taken. What is for one machine alone stays in it.
func TestExtendedAttributesAreStaged(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	setAttr(t, dir, "user.comment", "supported here")
	attrs := map[string]string{
		"user.comment": "\x00binary", "trusted.mark": "m", "security.capability": pingCaps,
		"trusted.overlay.opaque": "y", "user.overlay.opaque": "y", "security.selinux": "label", "nonsense": "of no kind",
	}
	folder := rootfs.Dir("/d", 0o555)
	file := rootfs.File("/d/f", 0o444, []byte("x"))
	folder.XAttrs, file.XAttrs = attrs, attrs
	tree := &rootfs.Tree{}
	must(t, tree.Add(folder))
	must(t, tree.Add(file))
	must(t, tree.Stage(t.Context(), dir, epoch))
	for _, name := range []string{"d", "d/f"} {
		got := make(map[string]string)
		for attr := range attrs {
			buf := make([]byte, 100)
			if n, err := unix.Getxattr(filepath.Join(dir, name), attr, buf); err == nil {
				got[attr] = string(buf[:n])
			}
		}
		want := map[string]string{"user.comment": "\x00binary", "trusted.mark": "m", "security.capability": pingCaps}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestFilesOfDifferentCapabilitiesConflict(t *testing.T) {
	needRoot(t)
	dir := onDisk(t, "/a/ping file 0755 4\n/b/ping file 0755 4")
	setAttr(t, filepath.Join(dir, "b/ping"), "security.capability", pingCaps)
	host := openHost(t, dir)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostAs(host, "/a/ping", "/ping", forTest))
	wantError(t, tree.AddHostAs(host, "/b/ping", "/ping", other),
		"two inputs for /ping: a file from /a/ping (added for test) and a file from /b/ping (added for other)")
}

func setAttr(t *testing.T, file, name, value string) {
	t.Helper()
	err := unix.Setxattr(file, name, []byte(value), 0)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		t.Skipf("%s: setting %s: %v", file, name, err)
	}
	must(t, err)
}

// asNobody calls f without root's power to read everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _ = unix.SetfsuidRetUid(65534) // setfsuid(2) returns no errors
	defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	f()
}

// letIn lets everybody into what t.TempDir made: a folder of the test's own and
// a numbered one in it.
func letIn(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
}

func TestWhatMayNotBeReadIsAnErrorThatNamesIt(t *testing.T) {
	dir := onDisk(t, `
		/srv/app/file         file 0600 4
		/srv/app/secret       dir 0700
		/srv/app/secret/file  file 0644 4
		/srv/list             dir 0711
		/srv/list/file        file 0644 4
		/srv/open             link secret/file
	`)
	letIn(t, dir)
	asNobody(t, func() {
		if os.Geteuid() != 0 {
			chmod(t, filepath.Join(dir, "srv/app/secret"), 0)
			chmod(t, filepath.Join(dir, "srv/app/file"), 0)
			chmod(t, filepath.Join(dir, "srv/list"), 0o111)
		}
		host := openHost(t, dir)
		add := func(name string) error { return new(rootfs.Tree).AddHostTree(host, name, "/x", forTest) }
		wantError(t, add("/srv/app/secret"), "open /srv/app/secret: permission denied")
		wantError(t, add("/srv/app"), "open /srv/app/secret: permission denied")
		wantError(t, add("/srv/list"), "open /srv/list: permission denied")
		must(t, add("/srv/list/file"))
		must(t, add("/srv/app/file")) // its contents are wanted later
		_, err := host.Stat("srv/app/secret/file")
		wantError(t, err, "open /srv/app/secret/file: permission denied")
		_, err = host.ReadDir("srv/app/secret")
		wantError(t, err, "open /srv/app/secret: permission denied")
		_, err = host.Open("srv/app/file")
		wantError(t, err, "open /srv/app/file: permission denied")
		e, err := host.Entry("/srv/app/file")
		must(t, err)
		_, err = e.Open()
		wantError(t, err, "open /srv/app/file: permission denied")
	})
}

func TestHostOnAFolderThatMayBeEnteredButNotRead(t *testing.T) {
	dir := onDisk(t, "/etc/passwd file 0644 5")
	letIn(t, dir)
	must(t, os.Chmod(dir, 0o711))
	asNobody(t, func() {
		if os.Geteuid() != 0 {
			chmod(t, dir, 0o111)
		}
		host := openHost(t, dir)
		must(t, new(rootfs.Tree).AddHost(host, "/etc/passwd", forTest))
		_, err := host.ReadDir(".")
		wantError(t, err, "open /: permission denied")
	})
}
