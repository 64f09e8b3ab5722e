package plan

import (
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// A Platform is what the OCI image spec calls one: "linux/amd64", "linux/arm/v7".
type Platform string

// variantsOf has the variants of every architecture that programs may be for, or
// images, as Go and the OCI image spec name them.
var variantsOf = map[string][]string{
	"386":         nil,
	"amd64":       {"v1", "v2", "v3", "v4"},
	"arm":         {"v5", "v6", "v7", "v8"},
	"arm64":       {"v8"},
	"loong64":     nil,
	"mips":        nil,
	"mips64":      nil,
	"mips64le":    nil,
	"mips64p32":   nil,
	"mips64p32le": nil,
	"mipsle":      nil,
	"ppc":         nil,
	"ppc64":       nil,
	"ppc64le":     nil,
	"riscv32":     nil,
	"riscv64":     nil,
	"s390":        nil,
	"s390x":       nil,
	"sparc64":     nil,
}

// The platforms of programs for the two ABIs of 32-bit ARM: floats in the
// registers of integers, and in their own.
const (
	armel Platform = "linux/arm/v5"
	armhf Platform = "linux/arm/v7"
)

// ParsePlatform returns the platform that a user names, in the form that programs
// have it in: the variant left out where it says nothing.
func ParsePlatform(name string) (Platform, error) {
	system, rest, _ := strings.Cut(name, "/")
	arch, variant, varies := strings.Cut(rest, "/")
	if system != "linux" || arch == "" || varies && variant == "" {
		return "", fmt.Errorf("platform %q is not linux/ARCH[/VARIANT], as in linux/arm64", name)
	}
	variants, known := variantsOf[arch]
	switch {
	case !known:
		list := strings.Join(slices.Sorted(maps.Keys(variantsOf)), ", ")
		return "", fmt.Errorf("platform %q: there is no architecture %s, but %s", name, arch, list)
	case varies && variants == nil:
		return "", fmt.Errorf("platform %q: %s has no variants", name, arch)
	case varies && !slices.Contains(variants, variant):
		return "", fmt.Errorf("platform %q: the variants of %s are %s", name, arch, strings.Join(variants, ", "))
	}
	switch rest {
	case "arm64/v8", "amd64/v1":
		return Platform("linux/" + arch), nil
	case "arm":
		return armhf, nil
	}
	return Platform("linux/" + rest), nil
}

// A PlatformError means that a program is for another platform than the wanted.
type PlatformError struct {
	Program string
	Is      string // the platform that it is for
	Want    Platform
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("%s is for %s, not for %s", e.Program, e.Is, e.Want)
}

// check returns an error for the first program that is not for the platform.
func (want Platform) check(c *elfdeps.Closure) error {
	for _, p := range executed(c) {
		is := p.Self().Arch.String()
		if want == "" || is == string(want) || fitsArm(p) && (want == armel || want == armhf) {
			continue
		}
		return &PlatformError{p.Name, is, want}
	}
	return nil
}

// executed returns the programs of a closure that are for a platform: a script is
// for that of its interpreter.
func executed(c *elfdeps.Closure) []*elfdeps.Program {
	return slices.DeleteFunc(slices.Collect(c.All()), func(p *elfdeps.Program) bool { return p.Script != nil })
}

// e_flags of programs for 32-bit ARM (EF_ARM_ABI_FLOAT_SOFT and _HARD).
const (
	armSoft = 0x200
	armHard = 0x400
)

// fitsArm reports whether a program is for 32-bit ARM with either ABI: a static
// one whose header names none, as Go makes them.
func fitsArm(p *elfdeps.Program) bool {
	a := p.Self().Arch
	return p.Loader == nil && a.Machine == elf.EM_ARM && a.Flags&(armSoft|armHard) == 0
}

// architecture returns the one that all programs have. If they fit several, it
// is that of the wanted platform.
func (want Platform) architecture(c *elfdeps.Closure) (elfdeps.Arch, error) {
	programs := executed(c)
	first := programs[0]
	if i := slices.IndexFunc(programs, func(p *elfdeps.Program) bool { return !fitsArm(p) }); i >= 0 {
		first = programs[i]
	}
	arch := first.Self().Arch
	for _, p := range programs {
		other := p.Self().Arch
		if arch.String() != other.String() && !(fitsArm(p) && arch.Machine == other.Machine) {
			return arch, fmt.Errorf("one image cannot be for two platforms: %s is for %v, %s for %v", first.Name, arch, p.Name, other)
		}
	}
	if fitsArm(first) && want == armhf {
		arch.Flags |= armHard
	}
	return arch, nil
}
