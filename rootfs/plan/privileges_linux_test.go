package plan_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A setuid program that another user starts fails where, and only where, a note
// says that its loader does otherwise than for root.
func TestNotesOnPrivilegesAreTrue(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a program setuid")
	}
	if _, err := os.Stat("/lib64/ld-linux-x86-64.so.2"); err != nil {
		t.Skip("needs glibc's loader for amd64")
	}
	tests := []struct {
		cc, own, lib, soname string // who compiles; paths of the program and of its library
		fails                bool
	}{
		{"gcc", "DIR/l", "$ORIGIN/sub", "libn.so", false},
		{"gcc", "$ORIGIN/l", "DIR/l/sub", "libn.so", true},
		{"gcc", "DIR/l", "/$ORIGIN/sub", "libn.so", true},
		{"gcc", "DIR/l", "$ORIGIN/../l/sub", "libn.so", false},
		{"gcc", "", "$ORIGIN/sub", "$ORIGIN/l/libn.so", true},
		{"gcc", "", "$ORIGIN/sub", "DIR/l/libn.so", false},
		{"musl-gcc", "DIR/l", "$ORIGIN/sub", "libn.so", false},
		{"musl-gcc", "DIR/l:$ORIGIN/x", "$ORIGIN/sub", "libn.so", true},
	}
	if !runsPrivileged(t) {
		t.Skip("setuid has no effect here")
	}
	for _, tt := range tests {
		t.Run(strings.Join([]string{tt.cc, tt.own, tt.lib, tt.soname}, " "), func(t *testing.T) {
			need(t, tt.cc)
			dir := openDir(t)
			in := func(text string) string { return strings.ReplaceAll(text, "DIR", dir) }
			build := func(source string, args ...string) {
				cmd := exec.Command(tt.cc, append([]string{"-x", "c", "-", "-x", "none"}, args...)...)
				cmd.Dir, cmd.Stdin = dir, strings.NewReader(source)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", cmd, err, out)
				}
			}
			build("int b(void) { return 0; }", "-shared", "-fPIC", "-Wl,-soname,libb.so", "-o", "l/sub/libb.so")
			build("int b(void); int n(void) { return b(); }", "-shared", "-fPIC", "-Wl,-soname,"+in(tt.soname),
				"-Wl,-rpath,"+in(tt.lib), "-o", "l/libn.so", "l/sub/libb.so")
			build("int n(void); int main(void) { return n(); }", "-Wl,-rpath,"+in(tt.own), "-Wl,-rpath-link,l/sub", "-o", "su", "l/libn.so")
			if err := os.Chmod(dir+"/su", 0o755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
			if err := exec.Command(dir + "/su").Run(); err != nil {
				t.Fatalf("for root: %v", err)
			}
			out, err := asNobody(dir + "/su").CombinedOutput()
			if failed := err != nil; failed != tt.fails {
				t.Errorf("the program: %v\n%s", err, out)
			}
			notes := strings.Join(notesOn(t, dir+"/su"), "\n")
			if noted := strings.Contains(notes, "runs with privileges"); noted != tt.fails {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// openDir returns a folder that everybody may read, with others in it.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "harvest") //nolint:usetesting // what t.TempDir makes is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.MkdirAll(dir+"/l/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "l", "l/sub"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runsPrivileged reports whether temporary files may be setuid programs.
func runsPrivileged(t *testing.T) bool {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(os.TempDir(), &fs); err != nil {
		t.Fatal(err)
	}
	const noSuid, noExec = 0x2, 0x8 // ST_NOSUID, ST_NOEXEC
	return fs.Flags&(noSuid|noExec) == 0
}

// asNobody returns a command that another user than root starts.
func asNobody(name string) *exec.Cmd {
	const nobody = 65534
	cmd := exec.Command(name)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// notesOn returns the notes on a program of this machine.
func notesOn(t *testing.T, program string) []string {
	t.Helper()
	host := system(t)
	c, err := plan.Resolve(context.Background(), host, plan.Spec{Programs: []plan.Input{{Source: program}}})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Notes(host, c)
}
