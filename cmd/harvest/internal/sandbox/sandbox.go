// Package sandbox runs commands in a root file system as a container engine
// does, without one.
//
// [Stage] writes a tree to the disk, [Root.Run] runs a command in it, and
// [Root.Close] removes it. Each command finds the root as it was staged, and sees
// what it would see in docker:
//
//   - the tree as /, with /proc, /dev, /sys and the files of /etc that engines
//     write, and nothing else of the host's files
//   - its own processes; process 1 is a small init, which reaps orphans and
//     passes signals on, as with docker run --init
//   - a loopback interface, and the host's network only if that is asked for
//   - the capabilities that docker grants by default, so that setuid programs and
//     file capabilities work: no_new_privs is not set, as in docker
//
// It does so in namespaces, of users among them, so an ordinary user may do it
// where the kernel lets it have those. What owners and users there are then
// depends on who runs it:
//
//	root                            all that the host has
//	a user with ranges in           root and the ranges, which newuidmap
//	/etc/subuid and /etc/subgid     and newgidmap map
//	any other                       one: the user that the command runs as, who
//	                                owns every file
//
// Nothing limits memory or system calls: this shows that an image works, and is
// no cage for programs that nobody trusts. When the first process ends, or
// the context is done, all that it started is killed.
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A Command is what runs in a [Root], and how.
type Command struct {
	Args     []string // at least one; the first is looked up in the PATH of Env unless it has a slash
	Env      []string // PATH, HOME and HOSTNAME are added where it lacks them
	Dir      string   // is made if it is not there; "" means /
	User     string   // a name of the root's passwd or a number, with ":GROUP" or without; "" means root
	Hostname string   // "" means DefaultHostname
	Network  bool     // the host's, with its resolv.conf and hosts, rather than a loopback interface alone
	ReadOnly bool     // nothing below / can be written but volumes and /dev/shm
	Volumes  []Volume

	Terminal       bool             // the command has a terminal, which Stdin and Stdout are the other end of
	Stdin          io.Reader        // nil means the null device
	Stdout, Stderr io.Writer        // nil means the null device
	Signals        <-chan os.Signal // are passed on to the command
}

// DefaultHostname is the host name that commands see.
const DefaultHostname = "harvest"

// A Volume is a file or folder of the host that a command sees.
type Volume struct {
	Source   string // on the host; must be there
	Dest     string // rooted path; made if it is not there
	ReadOnly bool
}

// A Result is how a command ended.
type Result struct {
	// Status is the exit status as a shell has it: that of the command, 128+N if
	// signal N ended it, NotFound or NotExecutable if it was not started.
	Status int
	// Reason says why it was not started, "" if it was.
	Reason string
}

// The statuses of commands that were not started, as shells and docker have them.
const (
	NotExecutable = 126
	NotFound      = 127
)

// ErrNoTemp says that nothing can be put where temporary files are to go.
var ErrNoTemp = errors.New("no folder for temporary files")

// ErrUnsupported says that the operating system has no such thing.
var ErrUnsupported = errors.New("running a root file system needs Linux")

// An UnavailableError says that the kernel does not let this user have the
// namespaces that a sandbox is made of.
type UnavailableError struct {
	Err     error
	Setting string // the kernel's setting that forbids it, as in "user.max_user_namespaces=0"; "" if none is known
}

func (e *UnavailableError) Error() string {
	if e.Setting == "" {
		return fmt.Sprintf("no sandbox can be made: %v", e.Err)
	}
	return fmt.Sprintf("no sandbox can be made: %v (%s)", e.Err, e.Setting)
}

func (e *UnavailableError) Unwrap() error { return e.Err }
