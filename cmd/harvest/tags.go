package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// listOptions is the command line of tags and catalog.
type listOptions struct {
	registryOptions
	of   string
	json bool
}

func newTagsCmd(s streams) *cobra.Command {
	return newListCmd(s, &cobra.Command{
		Use:   "tags NAME [flags]",
		Short: "List the tags of a repository",
		Long: `tags lists the tags that a repository has, one a line, sorted.

` + nameHelp,
		Example: "  harvest tags 127.0.0.1:5000/basic",
		Args:    oneArg("tags", "a repository", "harvest tags 127.0.0.1:5000/basic"),
	}, tagsRun)
}

func newCatalogCmd(s streams) *cobra.Command {
	return newListCmd(s, &cobra.Command{
		Use:   "catalog REGISTRY [flags]",
		Short: "List the repositories of a registry",
		Long: `catalog lists the repositories of a registry, one a line, sorted. Many public
registries, Docker Hub among them, have no such list.`,
		Example: "  harvest catalog 127.0.0.1:5000",
		Args:    oneArg("catalog", "a registry", "harvest catalog 127.0.0.1:5000"),
	}, catalogRun)
}

// newListCmd completes a verb that prints a list of what its argument has.
func newListCmd(s streams, cmd *cobra.Command, run func(context.Context, streams, *listOptions) error) *cobra.Command {
	o := &listOptions{}
	cmd.DisableFlagsInUseLine = true
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.of = args[0]
		o.given(cmd)
		return run(cmd.Context(), s, o)
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.json, "json", false, "print the list as JSON")
	return cmd
}

// tagsRun prints the tags of a repository.
func tagsRun(ctx context.Context, s streams, o *listOptions) error {
	c, err := o.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	tags, err := c.Tags(ctx, o.of)
	if err != nil {
		return err
	}
	return o.print(s.out, tags)
}

// catalogRun prints the repositories of a registry.
func catalogRun(ctx context.Context, s streams, o *listOptions) error {
	c, err := o.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	repositories, err := c.Catalog(ctx, o.of)
	if err != nil {
		return err
	}
	return o.print(s.out, repositories)
}

func (o *listOptions) print(w io.Writer, list []string) error {
	if o.json {
		return writeJSON(w, append([]string{}, list...))
	}
	out := bufio.NewWriter(w)
	for _, name := range list {
		fmt.Fprintln(out, printable(name))
	}
	return out.Flush()
}
