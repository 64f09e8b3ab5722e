package main

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
)

// limitOptions is the part of the command line that says how much an image that
// is read may become.
type limitOptions struct {
	maxUnpacked byteSize
}

func (o *limitOptions) addFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&o.maxUnpacked, "max-unpacked", "`SIZE`: how long the layers of an image may be, decompressed, as in 100GB (default 64GiB, and 200 times as long as compressed)")
	completeWords(cmd, "max-unpacked")
}

func (o *limitOptions) limits() pack.Limits { return pack.Limits{Bytes: int64(o.maxUnpacked)} }

// A byteSize is a number of bytes on the command line, 0 if it is not there.
type byteSize int64

var errSize = errors.New("not a size, such as 500MB or 64GiB")

// Set reads a number with or without a unit, as split(1) does: kB, MB, GB and TB
// are powers of 1000, KiB, MiB and so on of 1024, as are K, M, G and T.
func (b *byteSize) Set(s string) error {
	digits := strings.TrimRight(s, "BbiKkMmGgTt")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 {
		return errSize
	}
	unit := strings.ToLower(s[len(digits):])
	base := int64(1024)
	if len(unit) == 2 {
		base = 1000
	}
	power := 0
	switch unit {
	case "", "b":
	case "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib", "t", "tb", "tib":
		power = strings.IndexByte("kmgt", unit[0]) + 1
	default:
		return errSize
	}
	for range power {
		if n > math.MaxInt64/base {
			return errSize
		}
		n *= base
	}
	*b = byteSize(n)
	return nil
}

// String returns what Set reads, "" for what is not there.
func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type is what pflag calls the value.
func (b *byteSize) Type() string { return "size" }
