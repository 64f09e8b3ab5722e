package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openTerminal makes a terminal of the sandbox's own, which is what the command
// has as its standard streams, and sends its other end out.
func (j *job) openTerminal() error {
	ours, err := os.OpenFile("/dev/pts/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer ours.Close()
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("/dev/pts/%d", number)
	theirs, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for stream := range 3 {
		if err := unix.Dup3(theirs, stream, 0); err != nil {
			return err
		}
	}
	if err := bind(theirs, "/dev/console"); err != nil {
		return err
	}
	return unix.Sendmsg(fdConsole, nil, unix.UnixRights(fd), nil, 0)
}

// socketPair returns both ends of a socket that descriptors can be sent through.
func socketPair() (theirs, ours *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "console"), os.NewFile(uintptr(fds[1]), "console"), nil
}

// A terminal is the end of a sandbox's terminal that is outside.
type terminal struct {
	file  *os.File
	size  *os.File    // the user's own terminal, whose size it has, or nil
	raw   *term.State // of the user's own terminal before, or nil
	done  chan struct{}
	input *os.File
}

// openTerminal receives the end of a terminal and copies in and out through it.
// If in is a terminal itself, it passes every key on.
func openTerminal(socket *os.File, in io.Reader, out io.Writer) (*terminal, error) {
	file, err := receive(socket)
	if err != nil {
		return nil, err
	}
	t := &terminal{file: file, done: make(chan struct{})}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.size, t.input = f, f
		if t.raw, err = term.MakeRaw(int(f.Fd())); err != nil {
			file.Close()
			return nil, fmt.Errorf("taking over the terminal: %w", err)
		}
	}
	t.resize()
	if in != nil {
		go func() {
			_, _ = io.Copy(file, in)
			_, _ = file.Write([]byte{4}) // ^D: as script(1) ends its input
		}()
	}
	go func() {
		defer close(t.done)
		if out == nil {
			out = io.Discard
		}
		_, _ = io.Copy(out, file) // an error is the end: all programs are gone
	}()
	return t, nil
}

// receive returns the file that comes through a socket.
func receive(socket *os.File) (*os.File, error) {
	space := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), nil, space, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(space[:n])
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) == 1 {
			if err := unix.SetNonblock(fds[0], true); err != nil {
				return nil, os.NewSyscallError("fcntl", err)
			}
			return os.NewFile(uintptr(fds[0]), "terminal"), nil
		}
	}
	return nil, errors.New("no terminal came out of the sandbox")
}

// resize gives the terminal the size that the user's own has.
func (t *terminal) resize() {
	size := &unix.Winsize{Row: 24, Col: 80}
	if t.size != nil {
		if have, err := unix.IoctlGetWinsize(int(t.size.Fd()), unix.TIOCGWINSZ); err == nil {
			size = have
		}
	}
	_ = unix.IoctlSetWinsize(int(t.file.Fd()), unix.TIOCSWINSZ, size) // else it has the one that it had
}

// wait waits until all that was written to the terminal is out.
func (t *terminal) wait() { <-t.done }

func (t *terminal) close() {
	if t.raw != nil {
		_ = term.Restore(int(t.input.Fd()), t.raw)
	}
	t.file.Close()
}
