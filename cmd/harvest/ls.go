package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/rootfs"
)

// lsOptions is the command line of ls.
type lsOptions struct {
	selection
	hub  registryOptions
	user string
	json bool
}

func newLsCmd(s streams) *cobra.Command {
	o := &lsOptions{}
	cmd := &cobra.Command{
		Use:   "ls --bin PROGRAM [flags]",
		Short: "List what would be in the image, and why",
		Long: `ls lists every path that an image of these flags would hold: mode, owner, size,
path, and what it is there for. JSON has all reasons, the list the first. With
--from, it lists what comes upon the base.`,
		Example:               "  harvest ls --bin /bin/bash --bare",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.hub.given(cmd)
			return lsRun(cmd.Context(), s, o)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVarP(&o.user, "user", "u", "", "`USER[:GROUP]`: who the image runs as, and so whom its passwd and group hold")
	completeWords(cmd, "user")
	group(cmd.Flags(), "How it runs")
	o.hub.addFlags(cmd)
	o.addFlag(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print the list as JSON")
	group(cmd.Flags(), "Output")
	return cmd
}

// lsRun lists the tree of a plan.
func lsRun(ctx context.Context, s streams, o *lsOptions) error {
	base, err := o.openBase(ctx, s, o.hub)
	if err != nil {
		return err
	}
	if base != nil {
		defer base.Close()
	}
	p, err := o.plan(ctx, o.user, nil, base)
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(s.out, listing(p.Tree))
	}
	return printTree(s.out, p.Tree)
}

// maxNameColumn is how wide the column of names gets; longer ones stick out.
const maxNameColumn = 64

// printTree prints each path of a tree as ls -l does, and the first reason for
// it.
func printTree(w io.Writer, t *rootfs.Tree) error {
	owners, sizes, names := 0, 0, 0
	for e := range t.All() {
		owners = max(owners, len(owner(e)))
		sizes = max(sizes, len(strconv.FormatInt(e.Size, 10)))
		if n := len(listedName(e)); n <= maxNameColumn {
			names = max(names, n)
		}
	}
	for e := range t.All() {
		_, err := fmt.Fprintf(w, "%s  %-*s  %*d  %-*s  %s\n",
			modeText(e.Mode), owners, owner(e), sizes, e.Size, names, listedName(e), printable(e.Why[0].String()))
		if err != nil {
			return err
		}
	}
	return nil
}

func owner(e *rootfs.Entry) string { return fmt.Sprintf("%d:%d", e.UID, e.GID) }

// listedName is the path of an entry and where it leads.
func listedName(e *rootfs.Entry) string {
	switch {
	case e.Link != "":
		return printable(e.Path) + " -> " + printable(e.Link)
	case e.Hardlink != "":
		return printable(e.Path) + " = " + printable(e.Hardlink)
	}
	return printable(e.Path)
}

// printable returns a text as it is, or as a Go string if it holds what would
// break a line or command a terminal.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strconv.Quote(s)
}

// unlessText returns the bytes of a name that is not UTF-8, nil for any other.
func unlessText(name string) []byte {
	if utf8.ValidString(name) {
		return nil
	}
	return []byte(name)
}

// modeText writes a mode as ls(1) does: "-rwsr-xr-x", "drwxrwxrwt".
func modeText(mode fs.FileMode) string {
	text := []byte(typeLetter(mode) + mode.Perm().String()[1:])
	for _, special := range []struct {
		bit    fs.FileMode
		at     int
		letter byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if mode&special.bit == 0 {
			continue
		}
		executable := text[special.at] == 'x'
		text[special.at] = special.letter
		if !executable {
			text[special.at] -= 'a' - 'A'
		}
	}
	return string(text)
}

func typeLetter(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "d"
	case mode&fs.ModeSymlink != 0:
		return "l"
	case mode&fs.ModeNamedPipe != 0:
		return "p"
	case mode&fs.ModeCharDevice != 0:
		return "c"
	case mode&fs.ModeDevice != 0:
		return "b"
	}
	return "-"
}

// A listedEntry is an entry as JSON.
type listedEntry struct {
	Path     string          `json:"path"`
	Bytes    []byte          `json:"pathBytes,omitempty"` // of a path that is not UTF-8, which no JSON text can be
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
		list = append(list, newListedEntry(e))
	}
	return list
}

func newListedEntry(e *rootfs.Entry) listedEntry {
	return listedEntry{
		Path: e.Path, Bytes: unlessText(e.Path), Type: typeName(e.Mode), Mode: fmt.Sprintf("%04o", rootfs.UnixPerm(e.Mode)),
		UID: e.UID, GID: e.GID, Size: e.Size, Link: e.Link, Hardlink: e.Hardlink, Source: e.Source, Why: e.Why,
	}
}

func typeName(mode fs.FileMode) string {
	switch typeLetter(mode) {
	case "d":
		return "folder"
	case "l":
		return "link"
	case "p":
		return "pipe"
	case "c", "b":
		return "device"
	}
	return "file"
}
