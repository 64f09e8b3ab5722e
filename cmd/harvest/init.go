package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
)

// errExists says that a file would be written over.
var errExists = errors.New("is there already")

// unlessThere refuses to write over a file that somebody may have worked on.
func unlessThere(output string, force bool) error {
	if output == stdout || force {
		return nil
	}
	if _, err := os.Lstat(output); !errors.Is(err, fs.ErrNotExist) {
		return &outputError{output, errExists}
	}
	return nil
}

func newInitCmd(s streams) *cobra.Command {
	o := &buildOptions{}
	build := newBuildCmd(s, o)
	var output string
	var force bool
	cmd := &cobra.Command{
		Use:   "init --bin PROGRAM [flags]",
		Short: "Write a harvest.yaml that says what the flags say",
		Long: `init writes a file from which harvest -f makes the same image as from the flags.
Each key is explained; those that no flag is given for are there as comments. A
file that is there already is not written over without --force.`,
		Example:               "  harvest init --bin bash --bin curl -t tools:v1\n  harvest -f harvest.yaml",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkInput(); err != nil {
				return err
			}
			if err := unlessThere(output, force); err != nil {
				return err
			}
			return initRun(cmd.Context(), s, cmd.Flags(), output)
		},
	}
	cmd.Flags().SortFlags = false
	build.Flags().VisitAll(func(f *pflag.Flag) { // in its order, in which groups are whole
		if slices.ContainsFunc(buildfile.Keys(), func(k buildfile.Key) bool { return k.Flag == f.Name && k.Form != buildfile.Output }) {
			cmd.Flags().AddFlag(f)
		}
	})
	addFileFlag(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "harvest.yaml", "`FILE`: what to write, - for stdout (default harvest.yaml)")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	group(cmd.Flags(), "Output")
	return cmd
}

// checkInput refuses what no plan could be made of.
func (o *buildOptions) checkInput() error {
	_, err := o.spec()
	if err == nil {
		_, err = parseTags(o.tags)
	}
	return err
}

// initRun writes a file that says what the flags say.
func initRun(ctx context.Context, s streams, flags *pflag.FlagSet, output string) error {
	contents, err := contentsOf(flags, output)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := buildfile.Write(&b, contents); err != nil {
		return &usageError{err}
	}
	if output == stdout {
		_, err := s.out.Write(b.Bytes())
		return err
	}
	err = writeFile(ctx, output, func(w io.Writer) error {
		_, err := b.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.err, "  written      %s\n\n  harvest -f %s\n", output, shellWord(output))
	return err
}

// contentsOf returns what a file is to say that goes into output.
func contentsOf(flags *pflag.FlagSet, output string) (buildfile.Contents, error) {
	c := buildfile.Contents{Values: make(map[string][]string), From: ".", OwnRoot: isTop(flags.Lookup("root").Value.String()), Exists: exists}
	for _, k := range buildfile.Keys() {
		flag := flags.Lookup(k.Flag)
		if k.Form == buildfile.Output || !flag.Changed {
			continue
		}
		if list, isList := flag.Value.(pflag.SliceValue); isList {
			c.Values[k.Flag] = list.GetSlice()
		} else {
			c.Values[k.Flag] = []string{flag.Value.String()}
		}
	}
	if output == stdout {
		return c, nil
	}
	working, err := filepath.Abs(".")
	if err != nil {
		return c, err
	}
	file, err := filepath.Abs(output)
	if err == nil {
		c.From, err = filepath.Rel(filepath.Dir(file), working)
	}
	return c, err
}
