package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
	"github.com/harvest-oci/harvest/rootfs"
)

var update = flag.Bool("update", false, "rewrite what tests compare with: scripts and man pages")

func TestMain(m *testing.M) {
	sandbox.Enter()
	testscript.Main(m, map[string]func(){"harvest": main})
}

// TestScript runs the scripts of testdata/script, whose commands are those of
// testscript and the ones below. Each finds a root of ELF files in "host".
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			text, err := os.ReadFile("testdata/host.root")
			if err != nil {
				return err
			}
			return copyRoot(filepath.Join(env.WorkDir, "host"), string(text))
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "glibc":
				_, err := os.Stat("/lib64/ld-linux-x86-64.so.2")
				return err == nil && runtime.GOARCH == "amd64", nil
			case "sandbox":
				return hasSandbox()
			case "devfull":
				_, err := os.Stat("/dev/full")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":     cmdCode,
			"digest":   cmdDigest,
			"drain":    cmdDrain,
			"engine":   cmdEngine,
			"layer":    cmdLayer,
			"mask":     cmdMask,
			"mkfifo":   cmdMkfifo,
			"none":     cmdNone,
			"registry": cmdRegistry,
			"root":     cmdRoot,
			"sparse":   cmdSparse,
			"tarlist":  cmdTarlist,
			"until":    cmdUntil,
		},
	})
}

// hasSandbox reports whether commands can be run in roots here. HARVEST_REQUIRE,
// a list with commas, may name it.
func hasSandbox() (bool, error) {
	root, err := sandbox.Stage(context.Background(), &rootfs.Tree{}, time.Unix(0, 0))
	if err != nil {
		return false, err
	}
	_, err = root.Run(context.Background(), sandbox.Command{Args: []string{"none"}})
	if cerr := root.Close(); cerr != nil {
		return false, cerr
	}
	if err != nil && slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), "sandbox") {
		return false, err
	}
	return err == nil, nil
}

// cmdRoot adds an elftest root, made from a file of lines, to a folder.
func cmdRoot(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "root DIR FILE", 2)
	ts.Check(copyRoot(ts.MkAbs(args[0]), ts.ReadFile(args[1])))
}

// copyRoot writes a root to the disk, with its modes whatever the umask.
func copyRoot(dir, text string) error {
	root, err := elftest.ParseRoot(text)
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, root); err != nil {
		return err
	}
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(dir, name), info.Mode())
	})
}

// cmdCode runs a command that must end with an exit code.
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// cmdMask copies what a command said to a file, without times, ports and the
// folder of the test, which differ from run to run, and with -d without digests.
func cmdMask(ts *testscript.TestScript, _ bool, args []string) {
	digests := len(args) > 0 && args[0] == "-d"
	if digests {
		args = args[1:]
	}
	want(ts, args, "mask [-d] FILE RESULT", 2)
	text := ts.ReadFile(args[0])
	text = regexp.MustCompile(`, in [0-9.]+(µs|ms|s)\n`).ReplaceAllString(text, ", in TIME\n")
	text = regexp.MustCompile(`"seconds": [0-9.e-]+`).ReplaceAllString(text, `"seconds": TIME`)
	text = regexp.MustCompile(`127\.0\.0\.1:[0-9]{4,5}`).ReplaceAllString(text, "127.0.0.1:PORT")
	if digests {
		text = regexp.MustCompile(`\b[0-9a-f]{64}\b`).ReplaceAllString(text, "DIGEST")
	}
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	text = strings.TrimSuffix(text, "\n") + "\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o666))
}

// cmdTarlist prints what is in a tar: mode, owner, size, name, where it leads.
func cmdTarlist(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "tarlist FILE", 1)
	listTar(ts, strings.NewReader(ts.ReadFile(args[0])))
}

// cmdLayer prints what is in the layer inside an archive.
func cmdLayer(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "layer FILE", 1)
	for r := tar.NewReader(strings.NewReader(ts.ReadFile(args[0]))); ; {
		h, err := r.Next()
		ts.Check(err)
		if h.Size > 1024 && h.Typeflag == tar.TypeReg { // the first: layers come first
			listTar(ts, r)
			return
		}
	}
}

func listTar(ts *testscript.TestScript, archive io.Reader) {
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		line := fmt.Sprintf("%s %d:%d %d %s", modeText(h.FileInfo().Mode()), ours(h.Uid, os.Getuid()), ours(h.Gid, os.Getgid()), h.Size, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		fmt.Fprintln(ts.Stdout(), line)
	}
}

// ours is 0 for who runs the test, who owns what it makes.
func ours(id, who int) int {
	if id == who {
		return 0
	}
	return id
}

// cmdDigest prints the digest of each file.
func cmdDigest(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		fmt.Fprintf(ts.Stdout(), "%x\n", sha256.Sum256([]byte(ts.ReadFile(name))))
	}
}

func cmdMkfifo(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "mkfifo FILE", 1)
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o666))
}

// cmdSparse makes a file that is long and takes no room.
func cmdSparse(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "sparse FILE SIZE", 2)
	size, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), nil, 0o666))
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// cmdNone fails if a pattern matches anything, hidden or not.
func cmdNone(ts *testscript.TestScript, _ bool, args []string) {
	for _, pattern := range args {
		found, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(found) > 0 {
			ts.Fatalf("left behind: %s", found)
		}
	}
}

// cmdUntil waits until a pattern matches something.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "until PATTERN", 1)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing is called %s", args[0])
		}
	}
}

// cmdDrain reads from a fifo: one byte, and no more until the script ends; or
// everything, into a file.
func cmdDrain(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 {
		f, err := os.Open(ts.MkAbs(args[0]))
		ts.Check(err)
		ts.Defer(func() { f.Close() })
		_, err = f.Read(make([]byte, 1))
		ts.Check(err)
		return
	}
	want(ts, args, "drain FIFO [FILE]", 2)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile(args[0])), 0o666))
}

// cmdEngine is a container engine at a socket that says the same of everything,
// and keeps what it gets in a file.
func cmdEngine(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, "engine SOCKET FILE ANSWER", 3)
	l, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	got, answer := ts.MkAbs(args[1]), args[2]
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err == nil && path.Base(r.URL.Path) == "load" {
			err = os.WriteFile(got, data, 0o666)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, answer)
	})}
	go func() { _ = server.Serve(l) }() // until it is closed
	ts.Defer(func() { server.Close() })
}

// cmdRegistry is a registry in memory, which for a user wants a login. A variable
// gets its host and port.
func cmdRegistry(ts *testscript.TestScript, _ bool, args []string) {
	g := &registrytest.Registry{}
	if len(args) == 3 {
		g.Auth, g.User, g.Password = "Basic", args[1], args[2]
		args = args[:1]
	}
	want(ts, args, "registry VARIABLE [USER PASSWORD]", 1)
	server := httptest.NewServer(g)
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.Listener.Addr().String())
}

func want(ts *testscript.TestScript, args []string, usage string, n int) {
	if len(args) != n {
		ts.Fatalf("usage: %s", usage)
	}
}
