package plan_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

func TestErrorsNameTheFileOnceAndEveryLinkToIt(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/link      -> ../usr/bin/gone
		/opt/loop      -> /opt/pool
		/opt/pool      -> loop
		/opt/script    text "#!\necho\n" mode=0755
		/opt/text      text hello
		/usr/bin/plain text "not executable"
		/usr/bin/arm   elf machine=aarch64 type=exec static
	`)
	for _, tt := range []struct{ line, want string }{
		{"--bin /opt/x", "/opt/x: no such file or directory"},
		{"--bin /opt/link", "/opt/link -> /usr/bin/gone: no such file or directory"},
		{"--bin /opt/loop", "/opt/loop -> /opt/pool -> /opt/loop: too many levels of symbolic links"},
		{"--bin /opt/text/x", "/opt/text/x: not a directory"},
		{"--bin nothing", "no program nothing in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin"},
		{"--bin plain", "no program plain in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin"},
		{"--bin ..", "no program .. in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin"},
		{"--bin /opt/x --bin bash --bin /opt/link", "/opt/x: no such file or directory\n/opt/link -> /usr/bin/gone: no such file or directory"},
		{"", "no program is named"},
		{"--bin bash --add /opt/x", "/opt/x: no such file or directory"},
		{"--bin bash --add /opt/x:/y", "/opt/x: no such file or directory"},
		{"--bin bash --add /opt/link", "/opt/link -> /usr/bin/gone: no such file or directory"},
		{"--bin bash --add /opt/loop:/y", "/opt/loop -> /opt/pool -> /opt/loop: too many levels of symbolic links"},
		{"--bin bash --add /opt/text:/", "two inputs for /: a folder and a file from /opt/text (added for --add /opt/text:/)"},
		{"--bin bash --bin arm", "one image cannot be for two platforms: /usr/bin/bash is for linux/amd64, /usr/bin/arm for linux/arm64"},
	} {
		err := makeError(t, host, tt.line)
		if err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, err, tt.want)
		}
	}
	for _, line := range []string{"--bin /opt/script", "--bin /opt", "--bin /opt/text"} {
		file := strings.Fields(line)[1]
		if err := makeError(t, host, line); strings.Count(err.Error(), file+":") != 1 {
			t.Errorf("%s: %v does not name it once", line, err)
		}
	}
}

func TestTwoInputsForOnePath(t *testing.T) {
	host := onDisk(t, merged+`
		/a/tool  elf interp=/lib64/ld.so text=a
		/b/tool  elf interp=/lib64/ld.so text=b
		/c/tool  elf interp=/lib64/ld.so text=b
		/d/file  text x
	`)
	for _, tt := range []struct{ line, want string }{
		{"--bin /a/tool:/bin/tool --bin /b/tool:/bin/tool", "two inputs for /usr/bin/tool:" +
			" a file from /a/tool (program for --bin /a/tool:/bin/tool) and a file from /b/tool (program for --bin /b/tool:/bin/tool)"},
		{"--bin /a/tool --bin /b/tool --layout flat", "two inputs for /bin/tool:" +
			" a file from /a/tool (program for --bin /a/tool) and a file from /b/tool (program for --bin /b/tool)"},
		{"--bin bash --add /d/file:/usr/bin/bash", "two inputs for /usr/bin/bash:" +
			" a file (program for --bin /usr/bin/bash) and a file from /d/file (added for --add /d/file:/usr/bin/bash)"},
		{"--bin bash --add /d/file:/usr/bin", "two inputs for /usr/bin:" +
			" a folder (folder for /usr/bin/bash) and a file from /d/file (added for --add /d/file:/usr/bin)"},
		{"--bin bash --add /d/file:/x --add /d:/x/y", "two inputs for /x:" +
			" a file from /d/file (added for --add /d/file:/x) and a folder (folder for /x/y)"},
	} {
		err := makeError(t, host, tt.line)
		var conflict *rootfs.ConflictError
		if !errors.As(err, &conflict) || err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, err, tt.want)
		}
	}
	for _, line := range []string{
		"--bin bash --bin bash --bin /bin/bash --bin sh",
		"--bin bash --add /bin/bash --add /usr/bin --add /usr/bin:/bin",
		"--bin /b/tool --bin /c/tool --layout flat",
	} {
		makePlan(t, host, line)
	}
}

// Engines mount over these folders, and refuse an image that has a file there.
func TestAFileCannotTakeAFoldersPlace(t *testing.T) {
	host := onDisk(t, merged+`
		/proc       dir
		/d/file     text x
		/d/to/tmp   -> /d/file
		/d/ok/tmp   -> /d/other
		/d/ok/run   -> var
		/d/ok/var   dir
	`)
	for _, tt := range []struct{ line, want string }{
		{"--bin echo:/dev", "two inputs for /dev: a file from /usr/bin/echo (program for --bin /usr/bin/echo:/dev) and a folder (skeleton)"},
		{"--bin echo:/dev --bare", "two inputs for /dev: a file from /usr/bin/echo (program for --bin /usr/bin/echo:/dev) and a folder (skeleton)"},
		{"--bin echo --add /d/file:/tmp", "two inputs for /tmp: a file from /d/file (added for --add /d/file:/tmp) and a folder (skeleton)"},
		{"--bin echo --add /d/file:/tmp --layout flat", "two inputs for /tmp: a file from /d/file (added for --add /d/file:/tmp) and a folder (skeleton)"},
		{"--bin echo --add /d/file:/var", "two inputs for /var: a file from /d/file (added for --add /d/file:/var) and a folder (folder for /var/tmp)"},
		{"--bin echo --add /d/to:/", "two inputs for /tmp: a link to /d/file (added for --add /d/to:/) and a folder (skeleton)"},
		{"--bin echo:/proc", "two inputs for /proc: a folder (on the host) and a file from /usr/bin/echo (program for --bin /usr/bin/echo:/proc)"},
		{"--bin bash:/bin", "two inputs for /bin: a link to usr/bin (on the host) and a file from /usr/bin/bash (program for --bin /usr/bin/bash:/bin)"},
		{"--bin init:/usr/lib/gnu --bare", "two inputs for /usr/lib/gnu: a folder (on the host) and a file from /usr/sbin/init (program for --bin /usr/sbin/init:/usr/lib/gnu)"},
	} {
		err := makeError(t, host, tt.line+" --add /d/file")
		var conflict *rootfs.ConflictError
		if !errors.As(err, &conflict) || err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, err, tt.want)
		}
	}
	makePlan(t, host, "--bin init:/sys --bare")
	p := makePlan(t, host, "--bin init --add /d/ok:/")
	same(t, below(listing(p), "/run", "/tmp", "/d/"), `
		/d/other dir 0755
		/run -> var
		/tmp -> /d/other
	`)
}

func TestAProgramThatIsGivenTwiceIsOne(t *testing.T) {
	host := onDisk(t, merged)
	p := makePlan(t, host, "--bin bash --bin echo --bin /usr/bin/bash --bin bash:/opt/sh --bin bash:/opt/sh")
	same(t, strings.Join(p.Programs, " "), "/usr/bin/bash /usr/bin/echo /opt/sh")
	if got := len(p.Closure.Programs); got != 3 {
		t.Errorf("the closure has %d programs", got)
	}
}

func TestAPlanThatFailedHasNoTree(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/app  elf interp=/lib64/ld.so needed=/opt/lib/libx.so,libc.so.6
		/opt/lib/libx.so  elf soname=libx.so
	`)
	for _, line := range []string{"", "--bin gone", "--bin /opt/app --layout flat", "--bin bash:/dev"} {
		if p, err := plan.Make(t.Context(), host, spec(t, line)); err == nil || p.Tree != nil {
			t.Errorf("%s: got a tree with %v", line, err)
		}
	}
}

func TestResolveGoesOnWithoutWhatIsNotFound(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/app  elf interp=/lib64/ld.so needed=libgone.so
	`)
	closure, err := plan.Resolve(t.Context(), host, spec(t, "--bin gone --bin app --bin /opt/gone --bin bash"))
	var notFound *plan.NotFoundError
	var missing *elfdeps.MissingError
	if !errors.As(err, &notFound) || !errors.As(err, &missing) || !strings.Contains(err.Error(), "\n/opt/gone: no such file or directory\n") {
		t.Errorf("got %v", err)
	}
	if len(closure.Programs) != 2 || closure.Program("/usr/bin/bash") == nil {
		t.Errorf("the closure is of %v", closure.Programs)
	}
	closure, err = plan.Resolve(t.Context(), host, spec(t, "--bin gone"))
	if err == nil || closure == nil || len(closure.Programs) != 0 {
		t.Errorf("got %v, %v", closure, err)
	}
}

func TestAnUnmetNeedComesWithWhatWasFound(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/app  elf interp=/lib64/ld.so needed=libgone.so,libc.so.6
	`)
	p, err := plan.Make(t.Context(), host, spec(t, "--bin app --bin echo"))
	var missing *elfdeps.MissingError
	if !errors.As(err, &missing) || len(missing.Missing) != 1 || missing.Missing[0].Need.Name != "libgone.so" {
		t.Errorf("got %v", err)
	}
	if got := len(p.Closure.Programs); got != 2 {
		t.Errorf("the closure has %d programs", got)
	}
	closure, err := plan.Resolve(t.Context(), host, spec(t, "--bin app"))
	if !errors.As(err, &missing) || len(closure.Programs) != 1 {
		t.Errorf("Resolve: %v, %v", closure, err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/link  -> gone
	`)
	for _, line := range []string{"--bin /opt/link", "--bin bash --add /opt/link"} {
		if err := makeError(t, host, line); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not ErrNotExist", line, err)
		}
	}
	var notFound *plan.NotFoundError
	if err := makeError(t, host, "--bin gone"); !errors.As(err, &notFound) || notFound.Name != "gone" {
		t.Errorf("got %v", err)
	}
	var user *plan.UnknownUserError
	if err := makeError(t, host, "--bin bash -u gone"); !errors.As(err, &user) || user.Name != "gone" {
		t.Errorf("got %v", err)
	}
}

func TestFindLooksWhereAShellWould(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/local/bin/echo  text mine mode=0755
		/usr/local/sbin/echo dir
		/usr/local/sbin/bash text "not executable"
	`)
	for name, want := range map[string]string{
		"echo":          "/usr/local/bin/echo",
		"bash":          "/usr/bin/bash",
		"init":          "/usr/sbin/init",
		"/bin/echo":     "/bin/echo",
		"bin/../echo":   "/echo",
		"/not/there/at": "/not/there/at",
	} {
		got, err := plan.Find(host, name)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, want)
		}
	}
}
