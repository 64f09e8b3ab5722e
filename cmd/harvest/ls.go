package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// lsOptions is the command line of ls.
type lsOptions struct {
	selection
	json bool
}

func newLsCmd(io streams) *cobra.Command {
	o := &lsOptions{}
	cmd := &cobra.Command{
		Use:   "ls --bin PROGRAM [flags]",
		Short: "List what would be in the image, and why",
		Long: `ls lists every path that an image of the same flags would hold: mode, owner,
size, path, and what it is there for.`,
		Example: "  harvest ls --bin /bin/bash --bare",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return lsRun(cmd.Context(), io, o)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print the list as JSON")
	return cmd
}

// lsRun lists the tree of a plan.
func lsRun(ctx context.Context, s streams, o *lsOptions) error {
	spec, err := o.spec()
	if err != nil {
		return err
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	p, err := plan.Make(ctx, host, spec)
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(s.out, listing(p.Tree))
	}
	for e := range p.Tree.All() {
		if err := printEntry(s.out, e); err != nil {
			return err
		}
	}
	return nil
}

// printEntry prints one path as ls -l does, and the first reason for it.
func printEntry(w io.Writer, e *rootfs.Entry) error {
	name := e.Path
	switch {
	case e.Link != "":
		name += " -> " + e.Link
	case e.Hardlink != "":
		name += " = " + e.Hardlink
	}
	_, err := fmt.Fprintf(w, "%v %5d:%-5d %9d  %-60s  %s\n", e.Mode, e.UID, e.GID, e.Size, name, e.Why[0])
	return err
}

// A listedEntry is an entry as JSON.
type listedEntry struct {
	Path     string          `json:"path"`
	Type     string          `json:"type"`
	Mode     string          `json:"mode"`
	UID      int             `json:"uid"`
	GID      int             `json:"gid"`
	Size     int64           `json:"size"`
	Link     string          `json:"link,omitempty"`
	Hardlink string          `json:"hardlink,omitempty"`
	Source   string          `json:"source,omitempty"`
	Why      []rootfs.Reason `json:"why"`
}

func listing(t *rootfs.Tree) []listedEntry {
	list := []listedEntry{}
	for e := range t.All() {
		list = append(list, listedEntry{
			Path: e.Path, Type: typeName(e.Mode), Mode: fmt.Sprintf("%04o", rootfs.UnixPerm(e.Mode)),
			UID: e.UID, GID: e.GID, Size: e.Size, Link: e.Link, Hardlink: e.Hardlink, Source: e.Source, Why: e.Why,
		})
	}
	return list
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symlink"
	}
	return "special"
}
