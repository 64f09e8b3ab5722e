package trace

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrNotPermitted means that the system forbids ptrace(2), or that the command
// is traced by somebody else.
var ErrNotPermitted = errors.New("tracing is not permitted")

// ErrUnsupported means that commands cannot be traced on this system.
var ErrUnsupported = errors.New("commands can be traced on Linux only")

// ErrLimit is what a LimitError wraps.
var ErrLimit = errors.New("too many processes")

// A LimitError says that a command has started too many processes.
type LimitError struct {
	Limit int
	What  string // of what there were more
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the command started more than %d %s", e.Limit, e.What)
}

// Unwrap returns ErrLimit.
func (e *LimitError) Unwrap() error { return ErrLimit }

// Options say how a command is traced. The zero value traces it until the last
// of its processes has ended.
type Options struct {
	// Setup means that the command only prepares: what it and its children do
	// before they execute another program is left out of the log.
	Setup bool

	// Grace is how long processes have, once the context is done, from SIGTERM
	// to SIGKILL. 0 means that there is no SIGTERM.
	Grace time.Duration

	// Signals are passed on to the command. Those that its terminal has sent to
	// it already are not, and if the command itself has ended they end what it
	// has left behind.
	Signals <-chan os.Signal

	// Left is called once if the command itself has ended and others have not,
	// from the tracing goroutine. nil means nobody is told.
	Left func(tasks int)

	MaxTasks int // processes and threads at one time, 0 means 4096
	MaxTotal int // processes and threads in all, 0 means 1<<18
}
