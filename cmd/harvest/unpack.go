package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
)

// unpackOptions is the command line of unpack.
type unpackOptions struct {
	imageOrigin
	image, dir string
	devices    string
	quiet      bool
}

func newUnpackCmd(s streams) *cobra.Command {
	o := &unpackOptions{}
	cmd := &cobra.Command{
		Use:   "unpack IMAGE DIR [flags]",
		Short: "Write the root file system of an image into a folder",
		Long: `unpack puts the layers of an image upon each other and writes what they make into
a folder, which must be new or empty. Layers are checked before, and nothing is
written outside the folder, whatever the image says. Owners, devices and
capabilities need root; an ordinary user gets everything under its own name.
Whoever gets at a device gets at the machine, so an image with one is an error
unless --devices says what becomes of it.

` + imageHelp,
		Example: `  harvest unpack basic.tar root
  docker save debian:12 | harvest unpack - root`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("unpack: name an image and a folder, as in harvest unpack basic.tar root")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image, o.dir = args[0], args[1]
			return unpackRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.StringVar(&o.devices, "devices", "", "`skip|make`: leave devices out, or make them, which needs root (default: one is an error)")
	completeWords(cmd, "devices", devicesSkip, devicesMake)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	return cmd
}

// The values of --devices.
const (
	devicesSkip = "skip"
	devicesMake = "make"
)

// options says what is unpacked, and what of it.
func (o *unpackOptions) options() (pack.UnpackOptions, error) {
	options := pack.UnpackOptions{Limits: o.limits()}
	switch o.devices {
	case "":
	case devicesSkip:
		options.Devices = pack.SkipDevices
	case devicesMake:
		options.Devices = pack.MakeDevices
	default:
		return options, usagef("--devices %s: there are %s and %s", o.devices, devicesSkip, devicesMake)
	}
	return options, nil
}

// unpackRun writes the root file system of an image.
func unpackRun(ctx context.Context, s streams, o *unpackOptions) (err error) {
	start := time.Now()
	options, err := o.options()
	if err != nil {
		return err
	}
	img, origin, err := o.openImage(ctx, s, o.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	err = writeFolder(ctx, o.dir, nil, func(dir string) error {
		return pack.Unpack(ctx, img, dir, options)
	})
	if err != nil || o.quiet {
		return err
	}
	i := inspect(img)
	fmt.Fprintf(s.err, "%s for %s\n", i.title(), i.platform())
	if os.Geteuid() != 0 {
		fmt.Fprintf(s.err, "  %-12s not run by root: everything is yours, and without capabilities\n", "note")
	}
	fmt.Fprintf(s.err, "  %-12s %s\n", count(len(i.Layers), "layer"), units.Size(i.Size))
	fmt.Fprintf(s.err, "  %-12s %s, in %s\n", "written", o.dir, elapsed(time.Since(start)))
	return nil
}
