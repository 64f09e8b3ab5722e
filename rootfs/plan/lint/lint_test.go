package lint_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

// whole is a root in which nothing is wrong.
const whole = `
	/bin    -> usr/bin
	/lib64  -> usr/lib64
	/usr/bin/app    elf interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so,libc.so.6
	/usr/bin/bash   elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/bin/env    elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/bin/sh     -> bash
	/usr/bin/tool   text "#!/bin/sh\n" mode=0755
	/usr/bin/other  text "#!/usr/bin/env -S A=b bash -e\n" mode=0755
	/usr/bin/ping   elf mode=04755 interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/lib64/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2 glibc=/lib64/:/usr/lib64/
	/usr/lib64/liba.so    elf soname=liba.so needed=libc.so.6
	/usr/lib64/libc.so.6  elf soname=libc.so.6 needed=ld-linux-x86-64.so.2
	/usr/lib64/plugin.so  elf needed=libonlytheprogramknows.so
	/usr/share/x    text "just text"
	/etc/mtab       -> ../proc/mounts
`

// appOnly takes away what else would lack an interpreter.
const appOnly = "-/usr/bin/bash\n-/usr/bin/env\n-/usr/bin/sh\n-/usr/bin/tool\n-/usr/bin/other\n-/usr/bin/ping\n"

// treeOf returns the tree of a root with other lines; one that begins with a minus
// takes a path away.
func treeOf(t *testing.T, text, more string) *rootfs.Tree {
	t.Helper()
	for line := range strings.Lines(more) {
		name := strings.Fields(line)
		if len(name) == 0 {
			continue
		}
		var kept []string
		for have := range strings.Lines(text) {
			if words := strings.Fields(have); len(words) == 0 || words[0] != strings.TrimPrefix(name[0], "-") {
				kept = append(kept, have)
			}
		}
		text = strings.Join(kept, "")
		if !strings.HasPrefix(name[0], "-") {
			text += line
		}
	}
	dir := t.TempDir()
	root := elftest.MustRoot(t, text)
	if err := os.CopyFS(dir, root); err != nil {
		t.Fatal(err)
	}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(dir, name), info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	if err := tree.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
		t.Fatal(err)
	}
	return tree
}

// findings returns what is found, three lines each.
func findings(t *testing.T, root lint.Root) string {
	t.Helper()
	r, err := lint.Check(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range r.Findings {
		level := "error"
		if f.Warning {
			level = "warning"
		}
		fmt.Fprintf(&b, "%s %s %s\n%s\n%s\n", level, f.Rule, f.Path, f.Text, f.Mend)
	}
	return b.String()
}

func TestFindings(t *testing.T) {
	for _, test := range []struct {
		name string
		more string // of the root
		root lint.Root
		want string
	}{
		{"nothing", "", lint.Root{Command: "app", Platform: "linux/amd64"}, ``},
		{"no interpreter of the other libc", "-/usr/lib64/ld-linux-x86-64.so.2\n/usr/lib/ld-musl-x86_64.so.1 elf\n" + appOnly, lint.Root{}, `
error interpreter /usr/bin/app
its interpreter /lib64/ld-linux-x86-64.so.2: no such file
the program was made for glibc and the image has musl: build it for that, link it statically, or use a base with glibc
`},
		{"no interpreter where it is looked for", "-/lib64\n" + appOnly, lint.Root{}, `
error interpreter /usr/bin/app
its interpreter /lib64/ld-linux-x86-64.so.2: no such file
it is at /usr/lib64/ld-linux-x86-64.so.2: a link there from /lib64/ld-linux-x86-64.so.2
`},
		{"no interpreter at all", "-/usr/lib64/ld-linux-x86-64.so.2\n" + appOnly, lint.Root{}, `
error interpreter /usr/bin/app
its interpreter /lib64/ld-linux-x86-64.so.2: no such file
the image needs glibc: harvest --bin app, where it runs, takes it along
`},
		{"no library", "-/usr/lib64/liba.so", lint.Root{}, `
error library /usr/bin/app
needs liba.so: not found in ld.so.cache (absent or unusable); default directories /lib64, /usr/lib64
add the package that holds it; harvest --bin takes a program with all that it needs
`},
		{"a library elsewhere", "-/usr/lib64/liba.so\n/opt/a/liba.so.1 elf\n/opt/a/liba.so -> liba.so.1", lint.Root{}, `
error library /usr/bin/app
needs liba.so: not found in ld.so.cache (absent or unusable); default directories /lib64, /usr/lib64
it is at /opt/a/liba.so: set LD_LIBRARY_PATH=/opt/a, or list the folder in /etc/ld.so.conf and run ldconfig before packing
`},
		{"a library in the library path", "-/usr/lib64/liba.so\n/opt/a/liba.so elf", lint.Root{LibraryPath: []string{"/opt/a"}}, ``},
		{"a library without a version", "/usr/bin/app elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6 verneed=libc.so.6:GLIBC_2.99\n/usr/lib64/libc.so.6 elf soname=libc.so.6 needed=ld-linux-x86-64.so.2 verdef=libc.so.6,GLIBC_2.2", lint.Root{}, `
error library /usr/bin/app
needs versions GLIBC_2.99 of symbols, which /lib64/libc.so.6 has not
it was linked with a newer library: take both from one system
`},
		{"a library of musl", "/usr/lib64/liba.so elf soname=liba.so needed=libc.musl-x86_64.so.1", lint.Root{}, `
error libc /lib64/liba.so
is made for musl, since it needs libc.musl-x86_64.so.1, and /usr/bin/app loads it with glibc
take it from a system with glibc
`},
		{"a program of glibc with musl", "/usr/bin/sh elf interp=/usr/lib/ld-musl-x86_64.so.1 needed=libc.so.6\n/usr/lib/ld-musl-x86_64.so.1 elf musl=x86_64", lint.Root{}, `
error libc /usr/bin/sh
is made for glibc, since it needs libc.so.6, and is started with musl
take it from a system with musl
`},
		{"a damaged program", "/usr/bin/sh elf truncate=100", lint.Root{}, `
error damaged /usr/bin/sh
damaged ELF file: 224 bytes at 0x40 for its program headers are more than the file's 100
take it again from where it came
`},
		{"no shell", "-/usr/bin/sh", lint.Root{}, `
error script /usr/bin/tool
its interpreter /bin/sh is not in the image
add the interpreter: harvest --from IMAGE --bin sh
`},
		{"a shell elsewhere", "-/usr/bin/sh\n/opt/sh elf static", lint.Root{}, `
error script /usr/bin/tool
its interpreter /bin/sh is not in the image
there is /opt/sh: name it in the first line, or put a link there
`},
		{"no program for env", "/usr/bin/other text \"#!/usr/bin/env python3\\n\" mode=0755", lint.Root{}, `
error script /usr/bin/other
its interpreter python3, which env is to find, is not in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin
add the interpreter: harvest --from IMAGE --bin python3
`},
		{"a script of Windows", "/usr/bin/other text \"#!/bin/sh\\r\\n\" mode=0755", lint.Root{}, `
error script /usr/bin/other
its first line ends in a carriage return, which is part of the interpreter's name
sed -i 's/\r$//' takes them out of the file
`},
		{"a script of nothing", "/usr/bin/other text \"#!\\n\" mode=0755", lint.Root{}, `
error script /usr/bin/other
its first line, #!, names no interpreter
write one there that starts something, as in #!/bin/sh
`},
		{"a script that env starts again", "/usr/bin/other text \"#!/usr/bin/env -S A=b\\n\" mode=0755", lint.Root{}, `
error script /usr/bin/other
its first line, #!/usr/bin/env -S A=b, has env start the script itself again, without end
write one there that starts something, as in #!/bin/sh
`},
		{"a script of the working folder", "/usr/bin/other text \"#!bin/sh\\n\" mode=0755", lint.Root{WorkingDir: "/usr"}, ``},
		{"a script of no folder", "/usr/bin/other text \"#!bin/sh\\n\" mode=0755", lint.Root{WorkingDir: "/opt"}, `
error script /usr/bin/other
its interpreter bin/sh: depends on the working directory
there is /usr/bin/sh: name it in the first line, or put a link there
`},
		{"an interpreter that is data", "-/usr/bin/sh\n/usr/bin/sh text \"no program\"", lint.Root{}, `
error script /usr/bin/tool
its interpreter /bin/sh: is not executable
there is /usr/bin/sh: name it in the first line, or put a link there
`},
		{"an example", "/usr/share/doc/example text \"#!/usr/bin/perl\\n\" mode=0755", lint.Root{}, `
warning script /usr/share/doc/example
its interpreter /usr/bin/perl is not in the image
add the interpreter: harvest --from IMAGE --bin perl
`},
		{"a dangling link", "/etc/localtime -> ../usr/share/zoneinfo/UTC", lint.Root{}, `
warning link /etc/localtime
leads to ../usr/share/zoneinfo/UTC and so to /usr/share/zoneinfo, which is not there
add the target, or remove the link
`},
		{"a dangling chain", "/etc/a -> b\n/etc/b -> /opt/c", lint.Root{}, `
warning link /etc/a
leads to b and so to /opt, which is not there
add the target, or remove the link
warning link /etc/b
leads to /opt/c, which is not there
add the target, or remove the link
`},
		{"a dangling link to what is elsewhere", "/usr/lib64/libz.so -> libz.so.1\n/opt/libz.so.1 text \"\"", lint.Root{}, `
warning link /usr/lib64/libz.so
leads to libz.so.1, which is not there
there is /opt/libz.so.1, which may be what is meant; else add the target or remove the link
`},
		{"a circle", "/etc/a -> b\n/etc/b -> a", lint.Root{}, `
warning link /etc/a
leads to b and so in a circle
let it lead to the file that is meant
warning link /etc/b
leads to a and so in a circle
let it lead to the file that is meant
`},
		{"lost capabilities", "/usr/bin/ping elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6", lint.Root{}, `
warning capabilities /usr/bin/ping
has neither cap_net_raw nor setuid, which others than root need to run it
setcap cap_net_raw+ep it, and pack it with what keeps capabilities: harvest does, docker COPY --from may not
`},
		{"a lost setuid", "/usr/bin/su elf mode=0755 interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6\n/opt/su elf static", lint.Root{}, `
warning capabilities /usr/bin/su
is not setuid, without which it does nothing for others than root
chmod u+s it, and pack it as root; if nobody needs it, leave it out
`},
		{"no command", "", lint.Root{Command: "/opt/none"}, `
error command /opt/none
is what the image runs, and is not in it
add it, or name what is there with --entrypoint
`},
		{"no command in the path", "", lint.Root{Command: "none", Path: []string{"/usr/bin", "/bin"}}, `
error command none
is what the image runs, and is not in /usr/bin, /bin
add it, set PATH, or give the entrypoint as a path
`},
		{"a command in the working folder", "", lint.Root{Command: "./bin/app", WorkingDir: "/usr"}, ``},
		{"a command one folder too deep", "", lint.Root{Command: "/bin/app", Platform: "linux/amd64"}, ``},
		{"a root one folder too deep", "/rootfs/bin -> usr/bin\n/rootfs/usr/bin/tool2 elf static\n", lint.Root{Command: "/bin/tool2"}, `
error command /bin/tool2
is what the image runs, and is not in it
it is at /rootfs/bin/tool2: what was packed is the folder above the root; pack what is in it, as in tar -C rootfs -cf layer.tar .
`},
		{"a command that is a dangling link", "/usr/bin/run -> /opt/run\n", lint.Root{Command: "/bin/../usr/bin/run"}, `
error command /bin/../usr/bin/run
is what the image runs, and is a link to /opt/run, which is not there
add it, or name what is there with --entrypoint
warning link /usr/bin/run
leads to /opt/run, which is not there
add the target, or remove the link
`},
		{"a command that is a folder", "", lint.Root{Command: "/usr/share"}, `
error command /usr/share
is what the image runs, and is a folder
add it, or name what is there with --entrypoint
`},
		{"a command that is elsewhere", "", lint.Root{Command: "tool", Path: []string{"/sbin"}}, `
warning script /usr/bin/other
its interpreter bash, which env is to find, is not in /sbin
there is /usr/bin/bash: name it in the first line, or put a link there
error command tool
is what the image runs, and is not in /sbin
it is at /usr/bin/tool: give it as that path, or add the folder to PATH
`},
		{"a command that starts nothing", `/usr/bin/run text "echo hi\n" mode=0755` + "\n", lint.Root{Command: "run"}, `
error command /usr/bin/run
is what the image runs, and is neither an ELF file nor a script that says what it is started with
write a first line there, as in #!/bin/sh, or start it as the argument of a shell
`},
		{"an interpreter that is not executable", "/usr/lib64/ld-linux-x86-64.so.2 elf mode=0644 soname=ld-linux-x86-64.so.2 glibc=/lib64/:/usr/lib64/\n" + appOnly, lint.Root{}, `
error interpreter /usr/bin/app
its interpreter /lib64/ld-linux-x86-64.so.2 is not executable (mode 0644)
chmod 0755 /usr/lib64/ld-linux-x86-64.so.2 before it is packed
`},
		{"users that are numbers", "", lint.Root{User: "1000:1000"}, ``},
		{"a user with an account", `/etc/passwd text "app:x:1:1::/:/x\n"` + "\n", lint.Root{User: "app:7"}, ``},
		{"a user without files", "", lint.Root{User: "app:staff"}, `
error user /etc/group
is not there, and the image runs as group staff
add a line for staff, as harvest -u app:staff does; a number, as in -u 1000, needs none
error user /etc/passwd
is not there, and the image runs as user app
add a line for app, as harvest -u app:staff does; a number, as in -u 1000, needs none
`},
		{"a user without an account", `/etc/passwd text "apple:x:1:1::/:/x\n"` + "\n", lint.Root{User: "app"}, `
error user /etc/passwd
has no line for app, the user that the image runs as
add a line for app, as harvest -u app does; a number, as in -u 1000, needs none
`},
		{"a command that is data", "", lint.Root{Command: "/usr/share/x"}, `
error command /usr/share/x
is what the image runs, and is not executable
chmod +x it before it is packed
`},
		{"a command of another platform", "", lint.Root{Command: "app", Platform: "linux/arm64"}, `
error command /usr/bin/app
is what the image runs, and for linux/amd64, while the image says that it is for linux/arm64
say --platform linux/amd64 when it is packed, or put a program for linux/arm64 there
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.root.Tree = treeOf(t, whole, test.more)
			if got, want := findings(t, test.root), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestCheckEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lint.Check(ctx, lint.Root{Tree: treeOf(t, whole, "")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A root that is in use may lose a file meanwhile.
func TestWhatIsGoneIsNotLookedAt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gone"), []byte("#!/none"), 0o755); err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	if err := tree.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	if got := findings(t, lint.Root{Tree: tree}); got != "" {
		t.Errorf("got %s", got)
	}
}
