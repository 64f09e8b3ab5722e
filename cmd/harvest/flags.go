package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// selection is the part of the command line that says what goes into an image.
type selection struct {
	bins        []string
	adds        []string
	layout      string
	bare        bool
	root        string
	libraryPath []string
}

func (s *selection) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&s.bins, "bin", "b", nil, "program to ship, with all it needs: `SRC[:DST]`; a bare name is looked up (repeatable)")
	f.StringArrayVar(&s.adds, "add", nil, "file or folder to ship as it is: `SRC[:DST]` (repeatable)")
	f.StringVar(&s.layout, "layout", string(plan.Mirror), "where things go: `host` keeps the host's paths, flat has /bin and /lib64")
	f.BoolVar(&s.bare, "bare", false, "programs, libraries and /dev only, without /etc, /tmp and the like")
	s.addRootFlags(cmd)
	completeWords(cmd, "layout", string(plan.Mirror), string(plan.Flat))
}

// addRootFlags adds the flags that say where programs come from.
func (s *selection) addRootFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.root, "root", "/", "take everything from the root below `DIR`")
	f.StringArrayVar(&s.libraryPath, "library-path", nil, "also look for libraries in `DIR[:DIR]`, as with LD_LIBRARY_PATH (repeatable)")
	completeDirs(cmd, "root")
}

// completeWords completes the flag's value from a list. That the flag exists is
// the caller's doing, so an error is a bug.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("BUG: " + err.Error())
	}
}

func completeDirs(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagDirname(flag); err != nil {
		panic("BUG: " + err.Error())
	}
}

// host opens the root that everything is taken from.
func (s *selection) host() (*rootfs.Host, error) { return rootfs.OpenHost(s.root) }

// spec returns what the flags ask for.
func (s *selection) spec() (plan.Spec, error) {
	spec := plan.Spec{Layout: plan.Layout(s.layout), Bare: s.bare}
	if len(s.bins) == 0 {
		return spec, usagef("no program is named: harvest --bin /bin/bash")
	}
	if spec.Layout != plan.Mirror && spec.Layout != plan.Flat {
		return spec, usagef("--layout %s: there are %s and %s", s.layout, plan.Mirror, plan.Flat)
	}
	var err error
	if spec.Programs, err = s.inputs("--bin", s.bins); err != nil {
		return spec, err
	}
	if spec.Files, err = s.inputs("--add", s.adds); err != nil {
		return spec, err
	}
	spec.LibraryPath, err = s.libraryDirs()
	return spec, err
}

// libraryDirs splits the library path as the loader splits LD_LIBRARY_PATH.
func (s *selection) libraryDirs() ([]string, error) {
	var dirs []string
	for _, list := range s.libraryPath {
		for _, dir := range strings.FieldsFunc(list, func(c rune) bool { return c == ':' || c == ';' }) {
			dir, err := s.hostPath(dir)
			if err != nil {
				return nil, err
			}
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

func (s *selection) inputs(flag string, args []string) ([]plan.Input, error) {
	inputs := make([]plan.Input, len(args))
	for i, arg := range args {
		src, dst := splitInput(arg)
		if src == "" {
			return nil, usagef("%s %q names no file", flag, arg)
		}
		if flag == "--add" || strings.Contains(src, "/") {
			var err error
			if src, err = s.hostPath(src); err != nil {
				return nil, err
			}
		}
		inputs[i] = plan.Input{Source: src, Dest: dst}
	}
	return inputs, nil
}

// splitInput takes SRC[:DST] apart. DST is absolute, so a colon that no slash
// follows belongs to a name.
func splitInput(arg string) (src, dst string) {
	if i := strings.LastIndex(arg, ":/"); i >= 0 {
		return arg[:i], filepath.ToSlash(filepath.Clean(arg[i+1:]))
	}
	return arg, ""
}

// hostPath returns the rooted path of a name that the user gave: below another
// root names start at that root, here relative ones start where we are.
func (s *selection) hostPath(name string) (string, error) {
	if s.root != "/" {
		return filepath.Join("/", name), nil
	}
	return filepath.Abs(name)
}
