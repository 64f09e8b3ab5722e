package plan

import (
	"fmt"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// A Platform is what the OCI image spec calls one: "linux/amd64", "linux/arm/v7".
type Platform string

// ParsePlatform returns the platform that a user names, in the form that programs
// have it in: the variant left out where there is only one.
func ParsePlatform(name string) (Platform, error) {
	system, arch, _ := strings.Cut(name, "/")
	if system != "linux" || arch == "" || strings.HasSuffix(arch, "/") {
		return "", fmt.Errorf("platform %q is not linux/ARCH[/VARIANT], as in linux/arm64", name)
	}
	switch arch {
	case "arm64/v8", "amd64/v1":
		arch, _, _ = strings.Cut(arch, "/")
	case "arm":
		arch = "arm/v7"
	}
	return Platform("linux/" + arch), nil
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
	for _, p := range c.Programs {
		if is := p.Self().Arch.String(); want != "" && is != string(want) {
			return &PlatformError{p.Name, is, want}
		}
	}
	return nil
}
