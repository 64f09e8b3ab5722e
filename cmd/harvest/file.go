package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
)

// addFileFlag adds -f, and has the verb run with what the file says: a flag on
// the command line wins over one in the file, and a list goes on where that of
// the file ends. Settings for flags that the verb lacks are passed over.
func addFileFlag(cmd *cobra.Command) {
	name := cmd.Flags().StringP("file", "f", "", "`FILE`: a harvest.yaml, which says what flags can say; flags win over it, and lists add to it; - for stdin")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("file") {
			return run(cmd, args)
		}
		file, err := readBuildFile(cmd.Context(), *name, cmd.InOrStdin())
		if err != nil {
			return err
		}
		if err := file.apply(cmd.Flags()); err != nil {
			return err
		}
		return file.locate(cmd.Flags(), run(cmd, args))
	}
}

// ownAnnotation marks a flag of a verb that means something else than that of a
// build, which a file speaks of.
const ownAnnotation = "harvest-own"

// A buildFile is what a harvest.yaml says.
type buildFile struct {
	settings []buildfile.Setting
	values   []string // of the settings
}

// A fileError says what is wrong with a harvest.yaml.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

func readBuildFile(ctx context.Context, name string, stdin io.Reader) (*buildFile, error) {
	file := &buildFile{}
	err := unlessDone(ctx, func() (err error) {
		file.settings, err = buildfile.Read(name, stdin)
		return err
	})
	switch pe := (*fs.PathError)(nil); {
	case errors.As(err, &pe):
		return nil, fmt.Errorf("-f %s: %w", name, pe.Err)
	case err != nil:
		return nil, &fileError{err}
	}
	return file, nil
}

// apply sets the flags that the command line leaves to the file.
func (f *buildFile) apply(flags *pflag.FlagSet) error {
	ownRoot := f.ownRoot(flags)
	lists := make(map[*pflag.Flag][]string)
	given := make(map[*pflag.Flag]bool)
	flags.Visit(func(flag *pflag.Flag) { given[flag] = true })
	for _, s := range f.settings {
		value := s.Value(ownRoot, exists)
		f.values = append(f.values, value)
		flag := flags.Lookup(s.Flag)
		if flag == nil || flag.Annotations[ownAnnotation] != nil {
			continue
		}
		if _, isList := flag.Value.(pflag.SliceValue); isList {
			lists[flag] = append(lists[flag], value)
			continue
		}
		if given[flag] {
			continue
		}
		if err := flags.Set(s.Flag, value); err != nil {
			return &fileError{&buildfile.Error{At: s.At, Err: errors.New(message(err))}}
		}
	}
	for flag, values := range lists {
		list := flag.Value.(pflag.SliceValue)
		if given[flag] {
			values = append(values, list.GetSlice()...)
		}
		if err := list.Replace(values); err != nil {
			panic("BUG: " + err.Error()) // a list of texts takes any
		}
		flag.Changed = true
	}
	return nil
}

// ownRoot reports whether everything is taken from the root of this machine.
func (f *buildFile) ownRoot(flags *pflag.FlagSet) bool {
	root := flags.Lookup("root")
	if root.Changed {
		return isTop(root.Value.String())
	}
	dir := root.DefValue
	for _, s := range f.settings {
		if s.Flag == root.Name {
			dir = s.Value(true, exists)
		}
	}
	return isTop(dir)
}

// locate says of what is wrong with the value of a flag where the file has it.
func (f *buildFile) locate(flags *pflag.FlagSet, err error) error {
	if err == nil {
		return nil
	}
	if errs := split(err); len(errs) > 1 {
		for i := range errs {
			errs[i] = f.locate(flags, errs[i])
		}
		return errors.Join(errs...)
	}
	usage := (*usageError)(nil)
	for i, s := range slices.Backward(f.settings) {
		flag := flags.Lookup(s.Flag)
		if flag == nil || !isAbout(err, flag, f.values[i]) {
			continue
		}
		err = &buildfile.Error{At: s.At, Err: err}
		if errors.As(err, &usage) {
			return &fileError{err}
		}
		return err
	}
	return err
}

// isAbout reports whether an error begins with a flag and its value.
func isAbout(err error, flag *pflag.Flag, value string) bool {
	rest, ok := strings.CutPrefix(err.Error(), "--"+flag.Name+" ")
	if !ok && flag.Shorthand != "" {
		rest, ok = strings.CutPrefix(err.Error(), "-"+flag.Shorthand+" ")
	}
	if !ok {
		return false
	}
	for _, written := range []string{value, strconv.Quote(value)} {
		if after, found := strings.CutPrefix(rest, written); found && (after == "" || after[0] == ':' || after[0] == ' ') {
			return true
		}
	}
	return false
}
