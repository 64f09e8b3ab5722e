package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
	ownerdb "github.com/harvest-oci/harvest/rootfs/owner" // owner is whose an entry is
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A missing is something of the host that a command has asked an image for in
// vain.
type missing struct {
	Path    string `json:"path"`              // what it asked for
	Flag    string `json:"flag"`              // that ships it, or that leaves it out
	Package string `json:"package,omitempty"` // that has it on the host, "" if none has

	named bool // by the command, in what it printed
}

func (m missing) String() string {
	text := "missing " + printable(m.Path) + ": " + printable(m.Flag)
	if m.Package != "" {
		text += " (package " + m.Package + ")"
	}
	return text
}

// mostMissing is how many of them are told.
const mostMissing = 12

// An absentee finds out what the host has of what an image lacks.
type absentee struct {
	host *rootfs.Host
	tree *rootfs.Tree // of the image

	excluded func(name string) string // the pattern by which a path was left out, "" if by none; nil if there are none
	recipe   func(name string) string // the recipe that brings a path, "" if none does; nil if there are none
	without  []string                 // recipes that were not wanted
	output   []string                 // of the command that failed, its last lines
}

// ofCheck returns what a check that has failed lacks. Tracing it is a help that
// may fail, too, and is not needed where there is nothing to run.
func (a absentee) ofCheck(ctx context.Context, root *sandbox.Root, c sandbox.Command, failed *checkFailedError, limit time.Duration) []missing {
	var list []missing
	a.output = failed.Output
	if failed.NotFound {
		list, _ = a.ofProgram(c.Args[0])
	} else {
		list, _ = a.ofTrace(ctx, root, c, limit)
	}
	return list
}

// ofTrace runs a failed check again, traced, and returns what it asked for in
// vain and the host has. limit is how long it may take.
func (a absentee) ofTrace(ctx context.Context, root *sandbox.Root, c sandbox.Command, limit time.Duration) ([]missing, error) {
	c.Stdout, c.Stderr = nil, nil
	log, err := root.Trace(ctx, c, limit)
	if err != nil {
		return nil, err
	}
	return a.of(log)
}

// ofProgram returns the host's program of a name that the image has none of.
func (a absentee) ofProgram(name string) ([]missing, error) {
	src, err := plan.Find(a.host, name)
	if err != nil {
		return nil, nil //nolint:nilerr // the host has none either
	}
	return a.flags([]string{src})
}

// of returns what a log has as missing, and the host has.
func (a absentee) of(log *trace.Log) ([]missing, error) {
	var names []string
	libraries := a.libraries(log)
	for _, access := range log.Missing() {
		name := path.Clean(access.Path)
		if a.has(name) || passing(name) {
			continue // it is there, by another way than was tried
		}
		if _, err := a.host.Stat(name[1:]); err == nil {
			names = append(names, name)
		} else if lib := libraries.of(path.Base(name)); lib != "" && !slices.Contains(names, lib) {
			names = append(names, lib)
		}
	}
	return a.flags(names)
}

// A libraryIndex knows where the host's loader finds libraries whose folders that of
// the image does not look in, for want of an index that has them.
type libraryIndex struct {
	absentee
	cache  *ldcache.Cache
	flags  uint32          // of the image's libraries in the cache
	opened map[string]bool // by last name: what was found in the end
}

// libraries returns the host's index for a command.
func (a absentee) libraries(log *trace.Log) libraryIndex {
	x := libraryIndex{absentee: a, cache: &ldcache.Cache{}, opened: make(map[string]bool)}
	for _, access := range log.Accesses {
		if access.Use.Has(trace.Read) {
			x.opened[path.Base(access.Path)] = true
		}
	}
	data, err := fs.ReadFile(a.host, "etc/ld.so.cache")
	if err != nil {
		return x
	}
	cache, err := ldcache.Parse(data, binary.NativeEndian)
	if err != nil {
		return x
	}
	i := slices.IndexFunc(cache.Entries, func(e ldcache.Entry) bool { return a.has(e.Path) })
	if i >= 0 {
		x.cache, x.flags = cache, cache.Entries[i].Flags
	}
	return x
}

// of returns the path of a library that the image lacks, "" if there is none of the
// name.
func (x libraryIndex) of(name string) string {
	if x.opened[name] {
		return ""
	}
	for _, e := range x.cache.Lookup(name) {
		if _, err := x.host.Stat(strings.TrimPrefix(e.Path, "/")); err == nil && e.Flags == x.flags && e.Baseline() && !x.has(e.Path) {
			return e.Path
		}
	}
	return ""
}

// has reports whether the image has a path.
func (a absentee) has(name string) bool {
	_, err := a.tree.Stat(strings.TrimPrefix(name, "/"))
	return err == nil
}

// passingPlaces are where nothing lies that an image should have: what the kernel and
// engines put there, what is of one machine, run or user, and what is secret.
var passingPlaces = []string{
	"/dev", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/mtab", "/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/machine-id",
	"/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var/cache", "/var/lib/dbus", "/var/log", "/var/run", "/var/tmp",
}

// passing reports whether a name is none to ship, or one that a loader tries
// before others.
func passing(name string) bool {
	return strings.Count(name, "/") < 2 || strings.Contains(name, "/glibc-hwcaps/") ||
		slices.ContainsFunc(passingPlaces, func(place string) bool { return name == place || strings.HasPrefix(name, place+"/") })
}

// flags returns how to ship what the host has under some names, one flag for all
// that lie in one folder that is missing as a whole.
func (a absentee) flags(names []string) ([]missing, error) {
	db, err := ownerdb.Open(a.host)
	if err != nil {
		return nil, err
	}
	wanted := slices.Clone(names)
	for _, name := range names {
		wanted = append(wanted, path.Dir(name))
	}
	owners, err := db.Of(wanted...)
	if err != nil {
		return nil, err
	}
	var list []missing
	for _, name := range names {
		flag, what := a.flag(name, owners, names)
		m := missing{Path: name, Flag: flag + " " + what, named: a.isNamed(name)}
		if o, ok := owners[name]; ok {
			m.Package = o.Name
		}
		switch i := slices.IndexFunc(list, func(other missing) bool { return other.Flag == m.Flag }); {
		case i < 0:
			list = append(list, m)
		case m.named && !list[i].named:
			list[i] = m
		}
	}
	list = withoutInner(list)
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b missing) int { return cmp.Compare(a.rank(), b.rank()) })
	return list, nil
}

// isNamed reports whether the command has printed a path.
func (a absentee) isNamed(name string) bool {
	return slices.ContainsFunc(a.output, func(line string) bool { return strings.Contains(line, name) })
}

// probed is where the C library looks for what a locale, a character set, a time
// zone or an order of addresses has. Programs ask for that and do without, also to
// say what they lack.
var probed = []string{"/etc/gai.conf", "/etc/host.conf", "/etc/localtime", "/usr/lib/locale", "/usr/share/locale", "/usr/share/zoneinfo"}

// rank orders what is missing by how likely it is the cause: what the command
// itself named, what was left out on purpose, what a recipe would have brought, anything else, and what a C library
// asks for by itself. Of one rank, what was asked for last is the nearest to the
// end.
func (m missing) rank() int {
	flag, _, _ := strings.Cut(m.Flag, " ")
	switch {
	case m.named:
		return -1
	case flag == "--exclude" || flag == "--without":
		return 0
	case slices.ContainsFunc(probed, func(place string) bool { return m.Path == place || strings.HasPrefix(m.Path, place+"/") }),
		strings.Contains(m.Path, "/gconv/"):
		return 3
	case flag == "--with":
		return 1
	}
	return 2
}

// flag returns the flag and its value that ship what the host has under a name:
// the folder that it is in, if the image lacks that and it is all one package's,
// or several of the names are in it.
func (a absentee) flag(name string, owners map[string]ownerdb.Owner, names []string) (flag, what string) {
	if a.excluded != nil {
		if pattern := a.excluded(name); pattern != "" {
			return "--exclude " + pattern, "leaves it out"
		}
	}
	if a.recipe != nil {
		switch recipe := a.recipe(name); {
		case slices.Contains(a.without, recipe):
			return "--without " + recipe, "leaves it out"
		case recipe != "":
			return "--with", recipe
		}
	}
	info, err := a.host.Stat(name[1:])
	switch {
	case err != nil || info.IsDir():
		return "--add", name
	case isProgram(name, info):
		return "--bin", name
	}
	dir := path.Dir(name)
	if _, err := a.tree.Stat(strings.TrimPrefix(dir, "/")); err == nil || strings.Count(dir, "/") < 3 {
		return "--add", name
	}
	inside := 0
	for _, other := range names {
		if path.Dir(other) == dir {
			inside++
		}
	}
	file, dirOwner := owners[name], owners[dir]
	if inside > 1 || file.Package != nil && file.Package == dirOwner.Package {
		return "--add", dir
	}
	return "--add", name
}

// isProgram reports whether a file is one that programs are looked for among.
func isProgram(name string, info fs.FileInfo) bool {
	dir := path.Dir(name)
	return info.Mode()&0o111 != 0 && (slices.Contains(plan.SearchPath, dir) || path.Base(dir) == "bin")
}

// withoutInner drops what another flag ships with its folder.
func withoutInner(list []missing) []missing {
	return slices.DeleteFunc(list, func(m missing) bool {
		return slices.ContainsFunc(list, func(other missing) bool {
			folder, ok := strings.CutPrefix(other.Flag, "--add ")
			return ok && folder != strings.TrimPrefix(m.Flag, "--add ") && strings.HasPrefix(m.Path, folder+"/")
		})
	})
}

// missingLines returns them as they are told.
func missingLines(list []missing) []string {
	var lines []string
	for i, m := range list {
		if i == mostMissing {
			return append(lines, fmt.Sprintf("and %d more", len(list)-i))
		}
		lines = append(lines, m.String())
	}
	return lines
}

// traceLimit is how long a check is traced that took as long: tracing slows it
// down.
func traceLimit(took, timeout time.Duration) time.Duration {
	return min(cmp.Or(timeout, time.Minute), 10*took+5*time.Second)
}
