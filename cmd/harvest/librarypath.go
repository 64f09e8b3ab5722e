package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// libraryPathName is the variable by which loaders are told where to look first.
const libraryPathName = "LD_LIBRARY_PATH"

// preloadName is the variable by which loaders are told what to load in any case.
const preloadName = "LD_PRELOAD"

// loaderPath returns the library path of an environment.
func loaderPath(env []string) []string {
	if dirs := lookupEnv(env, libraryPathName); dirs != "" {
		return []string{dirs}
	}
	return nil
}

// setLibraryPath tells a spec of the LD_LIBRARY_PATH that the image will have: what
// -e says, else the base's.
func setLibraryPath(spec *plan.Spec, env []string, base *base) {
	if base != nil {
		spec.BasePath = loaderPath(base.Config.Env)
		spec.ImagePath = spec.BasePath
	}
	for _, e := range env {
		if strings.HasPrefix(e, libraryPathName+"=") {
			spec.ImagePath = loaderPath([]string{e})
		}
	}
}

// preloadNotes tells what all programs of the image load besides: what -e says, else
// the base.
func preloadNotes(env []string, base *base) []string {
	list := ""
	if base != nil {
		list = lookupEnv(base.Config.Env, preloadName)
	}
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, preloadName+"="); ok {
			list = value
		}
	}
	if list == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s makes all programs of the image load %s, which is not looked at", preloadName, list)}
}

// inLibraryPath reports whether a file that would wrongly answer is in a folder
// that -e has loaders look into first.
func inLibraryPath(spec plan.Spec, list []plan.Violation) bool {
	dirs := strings.FieldsFunc(strings.Join(spec.ImagePath, ":"), func(c rune) bool { return c == ':' || c == ';' })
	return !slices.Equal(spec.BasePath, spec.ImagePath) && slices.ContainsFunc(list, func(v plan.Violation) bool {
		return v.Image != "" && slices.ContainsFunc(dirs, func(dir string) bool { return path.Dir(v.Image) == path.Clean(dir) })
	})
}

// libraryDirs splits the library path as the loader splits LD_LIBRARY_PATH.
func (s *selection) libraryDirs() ([]string, error) {
	var dirs []string
	for _, list := range s.libraryPath {
		elements := strings.FieldsFunc(list, func(c rune) bool { return c == ':' || c == ';' })
		if len(elements) == 0 {
			return nil, usagef("--library-path %q names no folder", list)
		}
		for _, dir := range elements {
			dir, err := s.libraryDir(dir)
			if err != nil {
				return nil, err
			}
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// libraryDir returns the rooted path of an element of the library path. One that
// begins with a token, as $ORIGIN, is rooted by the loader; and what ".." leads
// to depends on links, which the loader follows.
func (s *selection) libraryDir(dir string) (string, error) {
	if strings.HasPrefix(dir, "$") {
		return dir, nil
	}
	rooted, err := s.hostPath(dir)
	if err != nil || !slices.Contains(strings.Split(dir, "/"), "..") {
		return rooted, err
	}
	if !strings.HasPrefix(dir, "/") {
		if rooted, err = s.hostPath("."); err != nil {
			return "", err
		}
		dir = strings.TrimSuffix(rooted, "/") + "/" + dir
	}
	return dir, nil
}

// libraryPathNotes tells which elements of the library path are no folders. The
// loader passes over them.
func libraryPathNotes(host *rootfs.Host, spec plan.Spec) []string {
	var notes []string
	for _, dir := range spec.LibraryPath {
		if strings.Contains(dir, "$") { // it differs from program to program
			continue
		}
		err := isFolder(host, dir)
		if note := fmt.Sprintf("--library-path %s: %v", dir, err); err != nil && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}
