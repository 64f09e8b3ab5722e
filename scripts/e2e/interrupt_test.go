package e2e

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestInterruptLeavesWhatWasThere(t *testing.T) {
	for _, output := range outputs {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(output.name+" "+sig.String(), func(t *testing.T) {
				w := newWork(t)
				w.run("mkdir", "out")
				w.earlier()
				w.big()
				before := listing(t, w.path("out"))
				p := w.begin(w.command("harvest", "--bin", "/bin/bash", "--add", "big:/big", "-o", output.flag))
				p.untilItWrites()
				contains(t, "said", p.interrupted(sig), "harvest: error: interrupted")
				equal(t, "folder", listing(t, w.path("out")), before)
			})
		}
	}
}

func TestInterruptEndsTheWaitForAReaderThatStopped(t *testing.T) {
	w := newWork(t)
	harvest := w.command("harvest", "--bin", "/bin/bash", "-o", "-")
	stdout, err := harvest.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := w.begin(harvest)
	p.untilItArrives(stdout)
	contains(t, "said", p.interrupted(os.Interrupt), "harvest: error: interrupted")
}

func TestInterruptEndsTheWaitForThePipeToBeRead(t *testing.T) {
	w := newWork(t)
	if err := unix.Mkfifo(w.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.begin(w.command("harvest", "--bin", "/bin/bash", "-o", "pipe"))
	reader, err := os.Open(w.path("pipe"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	p.untilItArrives(reader)
	contains(t, "said", p.interrupted(os.Interrupt), "harvest: error: interrupted")
	equal(t, "folder", w.run("ls", "-A"), "pipe\n")
}

func TestInterruptEndsTheWaitForTheEngine(t *testing.T) {
	w := newWork(t)
	engine, err := net.Listen("unix", w.path("engine.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	t.Setenv("DOCKER_HOST", "unix://"+w.path("engine.sock"))
	p := w.begin(w.command("harvest", "--load", "--bin", "/bin/bash", "-t", w.image))
	answerPing(t, engine)
	conn, err := engine.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.untilItArrives(conn)
	contains(t, "said", p.interrupted(os.Interrupt), "harvest: error: interrupted")
	equal(t, "folder", w.run("ls", "-A"), "engine.sock\n")
}

// answerPing answers the question whether there is an engine.
func answerPing(t *testing.T, engine net.Listener) {
	t.Helper()
	conn, err := engine.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// A packing is a run of harvest that is still at it.
type packing struct {
	*work
	cmd   *exec.Cmd
	said  bytes.Buffer
	ended chan error
}

func (w *work) begin(harvest *exec.Cmd) *packing {
	w.t.Helper()
	p := &packing{work: w, cmd: harvest, ended: make(chan error, 1)}
	p.cmd.Stderr = &p.said
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

// untilItWrites returns when megabytes have been written below the folder out.
func (p *packing) untilItWrites() {
	p.t.Helper()
	for p.written() < 8<<20 {
		select {
		case err := <-p.ended:
			p.t.Fatalf("harvest ended before it could be disturbed: %v\n%s", err, p.said.String())
		case <-time.After(time.Millisecond):
		}
	}
}

// written adds up the files below the folder out, which come and go.
func (p *packing) written() (size int64) {
	_ = filepath.WalkDir(p.path("out"), func(name string, _ fs.DirEntry, _ error) error {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// untilItArrives reads a little of the layer, whose rest then has nowhere to go.
func (p *packing) untilItArrives(r io.Reader) {
	p.t.Helper()
	if _, err := io.ReadFull(r, make([]byte, 1<<16)); err != nil {
		p.t.Fatal(err)
	}
}

// interrupted sends a signal and returns what harvest says to it. What this
// process ignores, as under nohup(1), harvest ignores too.
func (p *packing) interrupted(sig os.Signal) string {
	p.t.Helper()
	if signal.Ignored(sig) {
		p.t.Skipf("%v is ignored", sig)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	return p.failed()
}

// failed waits for the end of harvest, which must be exit status 1, and returns
// what it said.
func (p *packing) failed() string {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Fatal("harvest goes on and on")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		p.t.Errorf("exit status %d, want 1", code)
	}
	return p.said.String()
}
