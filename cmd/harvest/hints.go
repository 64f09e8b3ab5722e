package main

import (
	"errors"
	"io/fs"
	"runtime"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/engine"
	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// hint returns the advice for an error, "" if there is none. This is the one
// place where advice is given.
func hint(err error) string {
	var (
		usage    *usageError
		program  *plan.NotFoundError
		user     *plan.UnknownUserError
		law      *plan.LawError
		missing  *elfdeps.MissingError
		script   *elfdeps.ScriptError
		conflict *rootfs.ConflictError
	)
	switch {
	case errors.Is(err, errTerminal):
		return "pipe it (harvest ... -o - | docker load), or write a file with -o FILE"
	case errors.Is(err, errPositional):
		return "programs are named with --bin, once for each"
	case errors.As(err, &usage):
		return "harvest --help lists the flags"
	case errors.As(err, &program):
		return "give its path, as in --bin /opt/app/bin/" + program.Name
	case errors.As(err, &user):
		return "a numeric -u UID[:GID] needs no entry in the image"
	case errors.As(err, &law):
		return "--layout host, the default, keeps every library where it was found"
	case errors.As(err, &missing):
		return missingHint(missing)
	case errors.As(err, &script):
		return "ship its interpreter with --bin and the script itself with --add"
	case errors.Is(err, elfdeps.ErrNotELF) && runtime.GOOS != "linux":
		return "programs come from a Linux root: name its folder with --root"
	case errors.Is(err, elfdeps.ErrNotELF):
		return "--add ships files that are no programs"
	case errors.As(err, &conflict):
		return "give one of them another place with SRC:DST"
	case errors.Is(err, rootfs.ErrChanged):
		return "run harvest again when nothing writes to it"
	case errors.Is(err, engine.ErrUnreachable):
		return "without --load, harvest writes a file for docker load -i"
	case errors.Is(err, fs.ErrPermission):
		return "run harvest as a user who may read and write there"
	}
	return ""
}

func missingHint(e *elfdeps.MissingError) string {
	for _, m := range e.Missing {
		if m.Need.Interp() {
			return "the kernel starts the program through that file; is --root the root that the program was made for?"
		}
	}
	return "--library-path DIR names a folder to look in; harvest deps PROGRAM shows the whole search"
}
