package main

import (
	"crypto/x509"
	"debug/elf"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/engine"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/teach"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/ldso"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// sentinelHints is advice on errors that are known by identity, in the order in
// which they are asked for.
var sentinelHints = []struct {
	err  error
	hint string
}{
	{errTerminal, "pipe it (harvest ... -o - | docker load), or write a file with -o FILE"},
	{errInTerminal, "pipe it (docker save basic:v1 | harvest ... -), or name a file"},
	{errNoSource, "name an archive, a folder, - for stdin, ARCHIVE:NAME for one image of several, or NAME:TAG in a registry"},
	{errIsImage, "harvest unpack makes a folder of it; --from puts programs upon it"},
	{errPositional, "programs are named with --bin, once for each; harvest --help lists the verbs"},
	{errQuotes, `a JSON array takes words as they are: ["-c", "it's"]`},
	{errNotInImage, "--bin ships a program or a script, --add any other file"},
	{errEpoch, "unset it, or give it as date +%s does"},
	{errNoMatch, "quote patterns, or the shell takes them; * stands for no slash, and they are matched below --root"},
	{errNoneELF, "without a pattern, harvest says of each file what it is"},
	{errBelowRoot, "paths are taken below --root: with --root R, /usr/bin/bash is R/usr/bin/bash"},
	{errRelative, "DST must be absolute, as in bash:/bin/sh"},
	{errNotLinux, "name the folder of a Linux root with --root DIR"},
	{errIsFolder, "name a file in it; -o type=oci,dest=DIR and -o type=rootfs,dest=DIR write folders"},
	{pack.ErrDevice, "harvest unpack --devices skip leaves devices out; --devices make makes them, as root"},
	{errUnknownMessage, "harvest lint IMAGE finds what is broken in an image, whatever was said; harvest trace -- COMMAND lists what a program opens"},
	{errNotThere, "harvest ls lists what flags put into it, harvest inspect --files what an image has"},
	{errExists, "--force writes over it; -o FILE names another"},
	{sandbox.ErrNoTemp, "TMPDIR names a folder that is there, and that this user may write to"},
	{trace.ErrNotPermitted, "in a container, --cap-add SYS_PTRACE permits it; elsewhere, see kernel.yama.ptrace_scope in sysctl(8), and whether a debugger holds harvest"},
	{trace.ErrLimit, "it may start processes without end; strace -f, whose log --trace-log reads, knows no limit"},
	{trace.ErrUnsupported, "strace -f -y -s 4096 -o LOG on a Linux writes what --trace-log LOG reads"},
	{trace.ErrNotStrace, "strace -f -y -s 4096 -o LOG COMMAND writes one"},
	{errNotEmpty, "name a folder that is not there yet, or an empty one; an OCI layout is replaced if it holds nothing but these images"},
	{rootfs.ErrChanged, "run harvest again when nothing writes to it"},
	{engine.ErrUnreachable, "without --load, harvest writes a file for docker load -i"},
	{registry.ErrPlainHTTP, "--plain-http speaks it, to a registry in a network that you trust"},
	{registry.ErrNoV2, "name the registry with its port, as in 127.0.0.1:5000/basic:v1"},
	{engine.ErrUnknownHost, "pipe it through the client: harvest ... -o - | docker load"},
	{syscall.ENOSPC, "make room there, or send the output elsewhere"},
	{fs.ErrPermission, "run harvest as a user who may read and write there"},
}

// hint returns the advice for an error of a verb, "" if there is none. This is
// the one place where advice is given.
func hint(verb *cobra.Command, err error) string {
	var (
		refused  *ldso.RefusedError
		disagree *disagreeError
		tag      *tagError
		fault    *pack.FaultError
		several  *severalError
		other    *registry.PlatformError
		status   *registry.StatusError
		unknown  x509.UnknownAuthorityError
		usage    *usageError
		file     *fileError
		budget   *budgetError
		path     *fs.PathError
		cannot   *teach.CannotError
	)
	if h := planHint(verb, err); h != "" {
		return h
	}
	if h := sandboxHint(err); h != "" {
		return h
	}
	switch {
	case errors.As(err, &refused):
		return "harvest deps without --ask-loader only reads files"
	case errors.As(err, &disagree):
		return "please report them, with what harvest deps --json prints"
	case errors.As(err, &several):
		return "choose one with ARCHIVE:NAME, or with --platform"
	case errors.As(err, &other):
		return "choose one with --platform"
	case errors.As(err, &fault) && fault.Limit && has(verb, "max-unpacked"):
		return "--max-unpacked SIZE allows more, if you trust it"
	case errors.As(err, &unknown):
		return "its authority goes into /etc/docker/certs.d/HOST[:PORT]/ca.crt, or into the file that SSL_CERT_FILE names"
	case errors.As(err, &status) && statusHint(status.Code) != "":
		return statusHint(status.Code)
	case errors.As(err, &file):
		return "" // it says where, and what there is
	case errors.As(err, &cannot):
		return "leave --from, --compress and devices out, and there is a script"
	case errors.As(err, &budget):
		return "--exclude leaves out files; harvest ls lists all of them with their sizes"
	case errors.As(err, &path) && strings.HasPrefix(filepath.Base(path.Path), tempPrefix):
		return "TMPDIR names the folder for what has to be kept meanwhile"
	case errors.As(err, &tag):
		return "names are like basic:v1 or registry.example.com/team/tool:v1, in lower case"
	}
	for _, s := range sentinelHints {
		if errors.Is(err, s.err) {
			return s.hint
		}
	}
	if errors.As(err, &usage) {
		for verb.Hidden {
			verb = verb.Parent()
		}
		return verb.CommandPath() + " --help lists the flags"
	}
	return ""
}

// planHint is advice on what keeps a root from being planned.
func planHint(verb *cobra.Command, err error) string {
	var (
		program  *plan.NotFoundError
		user     *plan.UnknownUserError
		missing  *elfdeps.MissingError
		base     *plan.BaseError
		disturb  *plan.DisturbError
		due      *dueError
		conflict *rootfs.ConflictError
		access   *plan.AccessError
		platform *plan.PlatformError
		exclude  *plan.ExcludeError
		pattern  *plan.PatternError
		unknown  *plan.UnknownPackageError
		unowned  *plan.UnownedError
		empty    *plan.EmptyPackageError
		none     *plan.NoProgramError
		account  *plan.AccountError
		packages *plan.PackagesError
		recipe   *plan.UnknownRecipeError
		nothing  *plan.NothingError
	)
	switch {
	case errors.As(err, &program):
		return "give its path, as in /opt/app/bin/" + program.Name
	case errors.As(err, &unknown):
		return packageHint(unknown)
	case errors.As(err, &unowned):
		return "--bin ships a program, whoever has installed it, and --add what it needs beside libraries"
	case errors.As(err, &empty):
		return "--add ships files and folders as they are"
	case errors.As(err, &none):
		return "an image is for the platform of a program: name one with --bin"
	case errors.As(err, &account):
		return "choose another name or number"
	case errors.As(err, &user):
		return "a numeric -u UID[:GID] needs no entry in the image"
	case errors.As(err, &missing):
		return missingHint(verb, err, missing)
	case errors.Is(err, elfdeps.ErrNotELF) && notELFHint(verb, err) != "":
		return notELFHint(verb, err)
	case errors.As(err, &base):
		return "a base with the same version of it, such as one of this system's own release, has no need of another; nor has a static program"
	case errors.As(err, &due):
		return due.to.hint()
	case errors.As(err, &disturb):
		return "give the file a place where only its own program looks, take it from a root with the same version as the base, or link the program statically"
	case errors.As(err, &conflict):
		return "give one of them another place with SRC:DST"
	case errors.As(err, &access):
		return "give it a place that is open to all with SRC:DST, or change its mode"
	case errors.As(err, &platform):
		return "name a root of that platform with --root; without --platform, any will do"
	case errors.As(err, &exclude):
		return "patterns leave out what is added beside programs: make it match less"
	case errors.As(err, &recipe):
		return recipeHint(recipe)
	case errors.As(err, &nothing):
		return "install it there, or leave --with " + nothing.Recipe + " out"
	case errors.As(err, &packages):
		return "--without own,scripts goes without what only packages tell"
	case errors.As(err, &pattern):
		return "as in '/usr/share/doc/**', '*.pyc' or 'locale/{de,fr}'; quote it, or the shell takes it"
	}
	return ""
}

// sandboxHint is advice on what has failed in a root, or keeps commands from
// running there.
func sandboxHint(err error) string {
	var (
		kernel *sandbox.UnavailableError
		failed *checkFailedError
	)
	switch {
	case errors.As(err, &kernel):
		return kernelHint(kernel)
	case errors.As(err, &failed) && len(failed.Missing) > 0:
		return "beside what is missing stands the flag that ships it, or leaves it out; nothing was written"
	case errors.As(err, &failed):
		return "nothing was written; leave the check out to see what there would be, and run it with harvest run --bin ... -- COMMAND"
	}
	return ""
}

// notELFHint is advice on what is neither an ELF file nor a script that starts.
func notELFHint(verb *cobra.Command, err error) string {
	var script *elfdeps.ScriptError
	switch isScript := errors.As(err, &script); {
	case isScript && has(verb, "add"):
		return "mend its first line; --add ships a script as it is, whatever starts it"
	case isScript:
		return "mend its first line, as in #!/bin/sh or #!/usr/bin/env python3"
	case has(verb, "add"):
		return "--add ships files that are no programs"
	}
	return ""
}

func has(verb *cobra.Command, flag string) bool { return verb.Flags().Lookup(flag) != nil }

// statusHint is advice on what a registry answers.
func statusHint(code int) string {
	switch code {
	case http.StatusUnauthorized:
		return "log in with harvest login REGISTRY -u USER, or with docker login"
	case http.StatusForbidden:
		return "log in as a user who may do that, with harvest login REGISTRY -u USER"
	case http.StatusTooManyRequests:
		return "wait; who is logged in may often ask more"
	}
	return ""
}

// kernelHint is advice on what the kernel does not allow.
func kernelHint(e *sandbox.UnavailableError) string {
	const other = "root may do it on most systems; docker run does it with an engine"
	name, value, ok := strings.Cut(e.Setting, "=")
	switch {
	case !ok:
		return other
	case value == "0" && name == "user.max_user_namespaces":
		value = "10000"
	case value == "0":
		value = "1"
	default:
		value = "0"
	}
	return "sysctl -w " + name + "=" + value + " allows it to all users; " + other
}

// hint is the advice on an error that is due to what was given.
func (d due) hint() string {
	switch d {
	case dueToFlat:
		return "--layout host, the default, keeps every library where it was found"
	case dueToDST:
		return "a program that looks beside itself ($ORIGIN) needs its own place: leave :DST out"
	case dueToAdd:
		return "--add ships the other file: leave it out, or give it another place with SRC:DST"
	case dueToEnv:
		return "-e LD_LIBRARY_PATH has loaders look there first: leave it out; libraries that --library-path finds are found in the image without it"
	}
	panic("BUG: an error that is due to nothing")
}

func missingHint(verb *cobra.Command, err error, e *elfdeps.MissingError) string {
	if has(verb, "pkg") && verb.Flags().Changed("pkg") {
		return "install what is missing, or leave it out of the package with --exclude " + shellWord(e.Missing[0].Program)
	}
	for _, m := range e.Missing {
		if m.Need.Starts() {
			return startHint(verb, m)
		}
		if m.Need.Interp() {
			return "the kernel starts the program through that file; is --root the root that the program was made for?"
		}
	}
	var elsewhere *elsewhereError
	if errors.As(err, &elsewhere) && len(elsewhere.found) > 0 {
		return elsewhereHint(elsewhere.found)
	}
	first := e.Missing[0]
	switch {
	case len(first.Need.Lacks) > 0:
		return "the program was linked with a newer library than this root has; is --root the root that it was made for?"
	case first.Need.Tag == elf.DT_VERNEED:
		return "the program was linked with a library of that name; is --root the root that it was made for?"
	case isNoFile(first):
		return ""
	}
	return "--library-path DIR names a folder to look in; harvest deps --why " + shellWord(first.Need.Name) + " shows the whole search"
}

// startHint is advice on a script that nothing starts.
func startHint(verb *cobra.Command, m elfdeps.Missing) string {
	switch name := m.Need.Name; {
	case strings.HasSuffix(name, "\r"):
		return `sed -i 's/\r$//' ` + shellWord(m.By) + " takes carriage returns out of the file"
	case m.Need.Env() && strings.ContainsAny(name, " \t"):
		return "write #!/usr/bin/env -S " + name
	case m.Need.Env() && has(verb, "env") && !strings.Contains(name, "/"):
		return "install it, or name the image's folders with -e PATH=DIR:DIR; --add ships a script as it is, whatever starts it"
	case has(verb, "add"):
		return "install it below --root, or name another in the first line; --add ships a script as it is, whatever starts it"
	}
	if m.Need.Env() {
		return "install it in one of the folders where programs are looked up"
	}
	return "a script needs what its first line names, under that path"
}
