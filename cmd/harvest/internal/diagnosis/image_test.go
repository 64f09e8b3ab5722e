package diagnosis

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

// sound is a root that lacks nothing that messages are about.
const sound = `
	/bin -> usr/bin
	/usr/bin/app   elf interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so.1,libc.so.6
	/usr/bin/sh    elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/bin/env   elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/bin/tool  text "#!/bin/sh\n" mode=0755
	/usr/bin/py    text "#!/usr/bin/env sh\n" mode=0755
	/usr/bin/ping  elf mode=04755 interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/lib64/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2 glibc=/lib64/:/usr/lib64/
	/lib64/liba.so.1  elf soname=liba.so.1 needed=libc.so.6
	/lib64/libc.so.6  elf soname=libc.so.6 needed=ld-linux-x86-64.so.2
	/lib64/libgcc_s.so.1  elf soname=libgcc_s.so.1
	/lib64/libd.so.1  elf soname=libd.so.1
	/lib64/libjava.so elf
	/tmp/   dir mode=01777
	/srv/   dir
	/etc/passwd text "root:x:0:0:root:/root:/x\napp:x:7:7::/:/x\n"
	/etc/group  text "root:x:0:\nstaff:x:50:\n"
	/etc/shadow text ""
	/etc/app.conf text ""
	/etc/nsswitch.conf text "hosts: files dns\n"
	/etc/pam.d/su text ""
	/etc/ssl/certs/ca-certificates.crt text ""
	/usr/lib/x86_64-linux-gnu/security/pam_unix.so elf
	/usr/lib/x86_64-linux-gnu/gconv/x.so elf
	/usr/lib/git-core/git-remote-https text ""
	/usr/lib/locale/C.utf8/LC_CTYPE text ""
	/usr/lib/python3.11/os.py text ""
	/usr/share/perl5/strict.pm text ""
	/usr/share/terminfo/x/xterm text ""
	/usr/share/zoneinfo/UTC text ""
`

// patientOf returns the image of sound with other lines; one that begins with a
// minus takes away what begins with a path.
func patientOf(t *testing.T, more string) Image {
	t.Helper()
	text := sound
	for line := range strings.Lines(more) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		gone, leave := strings.CutPrefix(words[0], "-")
		var kept []string
		for have := range strings.Lines(text) {
			at := strings.Fields(have)
			if len(at) == 0 || at[0] != words[0] && !(leave && strings.HasPrefix(at[0], gone)) {
				kept = append(kept, have)
			}
		}
		text = strings.Join(kept, "")
		if !leave {
			text += line + "\n"
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
	r := lint.Root{Tree: tree, Command: "/bin/app", Platform: "linux/amd64"}
	return Image{Root: r, Known: true, Machine: "linux/amd64"}
}

// causesOf returns the names of the causes that hold, and where.
func causesOf(t *testing.T, b *Book, line string, img Image) string {
	t.Helper()
	found := b.Recognise(line)
	if len(found) != 1 {
		t.Fatalf("%q is taken for %d messages", line, len(found))
	}
	list, err := b.Holds(t.Context(), found[0], img)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, strings.TrimSpace(p.Cause+" "+p.Path))
	}
	return strings.Join(got, ", ")
}

// planted are faults, each with a message that it leads to, and the one cause that
// is to be named.
var planted = []struct{ line, more, want string }{
	{`exec: "/bin/app": stat /bin/app: no such file or directory`, "-/usr/bin/app", "no-file /bin/app"},
	{`exec: "none": executable file not found in $PATH`, "", "no-file none"},
	{`exec /bin/app: no such file or directory`, "-/lib64/ld-linux", "no-loader /usr/bin/app"},
	{`exec user process caused: no such file or directory`, "-/lib64/ld-linux", "no-loader /usr/bin/app"},
	{`exec /bin/tool: no such file or directory`, "-/lib64/ld-linux", "no-loader /bin/sh"},
	{`exec /bin/tool: no such file or directory`, "-/usr/bin/sh", "no-interpreter /usr/bin/tool"},
	{`exec /bin/tool: no such file or directory`, `/usr/bin/tool text "#!/bin/sh\r\n" mode=0755`, "no-interpreter /usr/bin/tool"},
	{`/usr/bin/env: ‘sh’: No such file or directory`, "-/usr/bin/sh", "env-interpreter /usr/bin/py"},
	{`env: 'node': No such file or directory`, "", "not-in-path"},
	{`/bin/app: error while loading shared libraries: liba.so.1: cannot open shared object file: No such file or directory`, "-/lib64/liba", "no-library /usr/bin/app"},
	{`Error loading shared library libc.so.6: No such file or directory (needed by /lib64/liba.so.1)`, "-/lib64/libc", "no-library /lib64/liba.so.1"},
	{`ImportError: libd.so.1: cannot open shared object file: No such file or directory`, "-/lib64/libd", "no-library-at-all"},
	{"/bin/app: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by /bin/app)",
		"/usr/bin/app elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6 verneed=libc.so.6:GLIBC_2.38\n/lib64/libc.so.6 elf soname=libc.so.6 verdef=GLIBC_2.36", "old-library /usr/bin/app"},
	{"error while loading shared libraries", "-/lib64/liba", "no-library /usr/bin/app"},
	{"error while loading shared libraries: liba.so.1", "-/lib64/liba", "no-library /usr/bin/app"},
	{"version GLIBC_2.38 not found",
		"/usr/bin/app elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6 verneed=libc.so.6:GLIBC_2.38\n/lib64/libc.so.6 elf soname=libc.so.6 verdef=GLIBC_2.36", "old-library /usr/bin/app"},
	{"exec format error", "/usr/bin/app elf machine=aarch64 static", "other-processor /usr/bin/app"},
	{"Error relocating /lib64/liba.so.1: __snprintf_chk: symbol not found", "/lib64/liba.so.1 elf soname=liba.so.1 needed=libc.musl-x86_64.so.1", "other-libc /lib64/liba.so.1"},
	{`exec: "/bin/app": permission denied`, "/usr/bin/app elf mode=0644 interp=/lib64/ld-linux-x86-64.so.2", "not-executable /usr/bin/app"},
	{`exec /bin/app: permission denied`, "/lib64/ld-linux-x86-64.so.2 elf mode=0644 soname=ld-linux-x86-64.so.2 glibc=/lib64/:/usr/lib64/", "loader-not-executable /usr/bin/app"},
	{`exec /bin/app: exec format error`, "/usr/bin/app elf machine=aarch64 static", "other-processor /usr/bin/app"},
	{`exec /bin/app: exec format error`, `/usr/bin/app text "echo hi\n" mode=0755`, "no-first-line /usr/bin/app"},
	{`ping: socket: Operation not permitted`, "/usr/bin/ping elf static", "no-privileges /usr/bin/ping"},
	{`unable to find user app: no matching entries in passwd file`, "-/etc/passwd", "no-account /etc/passwd"},
	{`unable to find user nobody: no matching entries in passwd file`, "", "no-account /etc/passwd"},
	{`unable to find group wheel: no matching entries in group file`, "", "no-account /etc/group"},
	{`No user exists for uid 0`, "-/etc/passwd", "no-uid /etc/passwd"},
	{`whoami: cannot find name for user ID 1000`, "", "no-uid /etc/passwd"},
	{`chdir to cwd ("/app") set in config.json failed: no such file or directory`, "", "no-workdir /app"},
	{`/bin/bash: line 1: /tmp/x: No such file or directory`, "-/tmp", "no-tmp /tmp"},
	{`No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/']`, "-/tmp", "no-tmp /tmp"},
	{`mktemp: failed to create file via template ‘/tmp/tmp.X’: Permission denied`, "/tmp/ dir mode=0755", "closed-tmp /tmp"},
	{`curl: (77) error setting certificate file: /etc/ssl/certs/ca-certificates.crt`, "-/etc/ssl", "no-certs /etc/ssl/certs/ca-certificates.crt"},
	{`curl: (6) Could not resolve host: example.com`, `/etc/nsswitch.conf text "hosts: files # dns\n"`, "no-dns-in-nsswitch /etc/nsswitch.conf"},
	{`curl: (6) Could not resolve host: example.com`, `/lib64/libc-2.31.so elf`, "no-nss-dns /lib64/libc-2.31.so"},
	{`tput: unknown terminal "xterm"`, "-/usr/share/terminfo", "no-terminfo /usr/share/terminfo/*/xterm"},
	{`tput: unknown terminal "foot"`, "", "no-terminfo /usr/share/terminfo/*/foot"},
	{`perl: warning: Setting locale failed.`, "-/usr/lib/locale", "no-locale /usr/lib/locale/*"},
	{`sudo: unable to initialize PAM: Critical error - immediate abort`, "-/etc/pam.d", "no-pam /etc/pam.d/*"},
	{`su: Module is unknown`, "-/usr/lib/x86_64-linux-gnu/security", "no-pam-modules /lib/security/pam_*.so"},
	{`sudo: PAM account management error`, "-/etc/shadow", "no-shadow /etc/shadow"},
	{`ModuleNotFoundError: No module named 'encodings'`, "-/usr/lib/python3.11", "no-python-library /usr/lib/python[23]*/os.py"},
	{`Can't locate strict.pm in @INC (you may need`, "-/usr/share/perl5", "no-perl-library /usr/lib/*/perl-base/strict.pm"},
	{`Error: could not find libjava.so`, "-/lib64/libjava", "no-module"},
	{`unknown time zone Europe/Oslo`, "-/usr/share/zoneinfo", "no-zones /usr/share/zoneinfo/*"},
	{`git: 'remote-https' is not a git command. See 'git --help'.`, "-/usr/lib/git-core", "no-git-programs /usr/lib/git-core/git-remote-*"},
	{`iconv: failed to start conversion processing`, "-/usr/lib/x86_64-linux-gnu/gconv", "no-gconv /usr/lib/*/gconv/*.so"},
	{`libgcc_s.so.1 must be installed for pthread_exit to work`, "-/lib64/libgcc", "no-libgcc"},
	{`open /etc/passwd: no such file or directory`, "-/etc/passwd", "no-etc-file /etc/passwd"},
	{`cat: /opt/app/conf: No such file or directory`, "", "no-folder /opt/app"},
	{`cat: /etc/app.conf: No such file or directory`, "-/etc/app.conf", "no-data-file /etc/app.conf"},
	{`bash: line 1: /usr/bin/app: No such file or directory`, "-/lib64/ld-linux", "no-loader /usr/bin/app"},
}

// The cause that was planted is named, and no other, and nothing in a root without
// it.
func TestThePlantedCauseIsNamedAndNoOther(t *testing.T) {
	b := open(t)
	whole := patientOf(t, "")
	seen := map[string]bool{"no-entrypoint": true, "other-machine": true, "closed-folder": true} // below
	for _, tt := range planted {
		t.Run(tt.line+" "+tt.more, func(t *testing.T) {
			if got := causesOf(t, b, tt.line, patientOf(t, tt.more)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if tt.more == "" {
				return
			}
			if got := causesOf(t, b, tt.line, whole); got != "" {
				t.Errorf("in a sound root: %s", got)
			}
		})
		cause, _, _ := strings.Cut(tt.want, " ")
		seen[cause] = true
	}
	for name := range b.causes {
		if !seen[name] {
			t.Errorf("nothing plants %s", name)
		}
	}
}

// Some causes are in what the image says, or in where it runs.
func TestCausesBesideTheRoot(t *testing.T) {
	b := open(t)
	for _, tt := range []struct {
		line   string
		change func(*Image)
		want   string
	}{
		{"docker: Error response from daemon: No command specified.", func(i *Image) { i.Command = "" }, "no-entrypoint"},
		{"docker: Error response from daemon: No command specified.", func(i *Image) { i.Command, i.Known = "", false }, ""},
		{"exec /bin/app: exec format error", func(i *Image) { i.Machine = "linux/arm64" }, "other-machine linux/amd64"},
		{"exec /bin/app: exec format error", func(i *Image) { i.Platform, i.Machine = "linux/386", "linux/amd64" }, "other-processor /usr/bin/app"},
		{"exec /bin/app: exec format error", func(i *Image) { i.Platform, i.Machine = "", "linux/arm64" }, ""},
		{"I have no name!@box:/$", func(i *Image) { i.User = "1000" }, "no-uid /etc/passwd"},
		{"I have no name!@box:/$", func(i *Image) { i.User = "app" }, ""},
		{"chdir: No such file or directory", func(i *Image) { i.WorkingDir = "/nowhere" }, "no-workdir /nowhere"},
	} {
		img := patientOf(t, "")
		tt.change(&img)
		if got := causesOf(t, b, tt.line, img); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.line, got, tt.want)
		}
	}
	closed := patientOf(t, "/opt/ dir mode=0700\n/opt/app elf static")
	for user, want := range map[string]string{"app": "closed-folder /opt", "0": "", "": ""} {
		closed.User = user
		if got := causesOf(t, b, `exec: "/opt/app": permission denied`, closed); os.Geteuid() == 0 && got != want {
			t.Errorf("user %q: got %s, want %s", user, got, want)
		}
	}
}

// What a message says is no pattern.
func TestNamesInMessagesAreNoPatterns(t *testing.T) {
	b := open(t)
	img := patientOf(t, "/srv/real text \"\"")
	for line, want := range map[string]string{
		"cat: /srv/*: No such file or directory":             "no-data-file /srv/*",
		"cat: /srv/{name}: No such file or directory":        "no-data-file /srv/{name}",
		"cat: /srv/[a-z]eal: No such file or directory":      "no-data-file /srv/[a-z]eal",
		"cat: /srv/real: No such file or directory":          "",
		"cat: /srv/../srv/x: No such file or directory":      "no-data-file /srv/../srv/x",
		"cat: /../../../srv/real: No such file or directory": "",
	} {
		if got := causesOf(t, b, line, img); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
