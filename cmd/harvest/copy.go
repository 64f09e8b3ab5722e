package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// copyOptions is the command line of copy.
type copyOptions struct {
	registryOptions
	from, to string
	platform string
	json     bool
	quiet    bool
}

func newCopyCmd(s streams) *cobra.Command {
	o := &copyOptions{}
	cmd := &cobra.Command{
		Use:   "copy FROM TO [flags]",
		Short: "Copy an image from one registry to another, to the byte",
		Long: `copy brings the image of one name under another, which may be in another
registry: for all platforms, with the same digests. What the other place has
already is not sent.

` + nameHelp,
		Example: `  harvest copy debian:12 127.0.0.1:5000/debian:12
  harvest copy debian:12 127.0.0.1:5000/debian:12 --platform linux/arm64`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("copy: name an image and where it goes, as in harvest copy debian:12 127.0.0.1:5000/debian:12")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.from, o.to = args[0], args[1]
			o.given(cmd)
			return copyRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	addPlatformFlag(cmd, &o.platform)
	o.addFlags(cmd)
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	return cmd
}

// copyRun copies an image from registry to registry.
func copyRun(ctx context.Context, s streams, o *copyOptions) error {
	start := time.Now()
	names, err := parseTags([]string{o.to})
	if err != nil {
		return err
	}
	var platform *v1.Platform
	if o.platform != "" {
		p, err := parsePlatform(o.platform)
		if err != nil {
			return err
		}
		platform = &p
	}
	c, err := o.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := startTransfer(s, o.quiet, "copying", c)
	push, err := c.Copy(ctx, o.from, o.to, platform)
	stop()
	if err != nil {
		return err
	}
	result := newPushSummary(push, names)
	result.Seconds = time.Since(start).Seconds()
	return result.report(s, o.json, o.quiet)
}
