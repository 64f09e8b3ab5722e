// Command harvest turns programs of a Linux root into a minimal container image.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
)

func main() {
	sandbox.Enter()
	// What the caller has us ignore, as nohup(1) does, stays ignored.
	signals := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGHUP}, signal.Ignored)
	ctx, stop := signal.NotifyContext(context.Background(), append(signals, syscall.SIGTERM)...)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, systemStreams(), os.Args[1:]))
}
