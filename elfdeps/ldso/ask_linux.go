package ldso

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/u-root/u-root/pkg/ldd"

	"github.com/harvest-oci/harvest/elfdeps"
)

// Ask has the loader list what a program of this machine's own root needs. The
// error is a *[RefusedError] where that is not safe or not possible. The loader
// runs in the environment of this process: what LD_LIBRARY_PATH and LD_PRELOAD
// say there counts.
func Ask(p *elfdeps.Program) (*Opinion, error) {
	refused := func(format string, args ...any) (*Opinion, error) {
		return nil, &RefusedError{p.Name, fmt.Sprintf(format, args...)}
	}
	self := p.Self()
	if !native(self.Arch) {
		return refused("it is for %v, and this machine is linux/%s", self.Arch, runtime.GOARCH)
	}
	if slices.ContainsFunc(self.Needed, isAuditor) {
		return refused("it has auditors (DT_AUDIT), and the loader would run them")
	}
	name := p.Name
	if self.Interp != "" {
		// As a command, the loader takes a link's folder for the program's $ORIGIN.
		// Started by the kernel it does not.
		var err error
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
	}
	loader, err := ldd.GetInterp(name)
	if err != nil {
		return nil, fmt.Errorf("asking u-root for the interpreter of %s: %w", name, err)
	}
	if loader == "" {
		return &Opinion{}, nil
	}
	if err := trust(loader); err != nil {
		return refused("%v", err)
	}
	o := &Opinion{Loader: loader, Guessed: loader != self.Interp}
	o.Files, err = ldd.List(name)
	slices.Sort(o.Files)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		o.Stopped = lastLine(exit)
	case err != nil:
		return nil, fmt.Errorf("asking %s: %w", loader, err)
	}
	return o, nil
}

func isAuditor(d elfdeps.Dependency) bool { return d.Tag == elf.DT_AUDIT || d.Tag == elf.DT_DEPAUDIT }

// native reports whether this process could be of the architecture.
func native(a elfdeps.Arch) bool {
	word := elf.ELFCLASS32
	if ^uint(0)>>32 != 0 {
		word = elf.ELFCLASS64
	}
	return a.GOARCH() == runtime.GOARCH && a.Class == word
}

// trust returns an error unless a file, and every folder that leads to it under
// this name and under its real one, is root's alone to change.
func trust(name string) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	for _, file := range []string{real, filepath.Dir(name)} {
		for ; ; file = filepath.Dir(file) {
			if err := rootsAlone(file); err != nil {
				return err
			}
			if file == filepath.Dir(file) {
				break
			}
		}
	}
	return nil
}

func rootsAlone(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || st.Uid != 0:
		return fmt.Errorf("%s does not belong to root, and running it would be running a stranger's program", name)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others than root may write to %s", name)
	}
	return nil
}

// lastLine returns what the loader said last, or how it ended.
func lastLine(e *exec.ExitError) string {
	said := strings.TrimSpace(string(e.Stderr))
	if said == "" {
		return e.String()
	}
	return said[strings.LastIndexByte(said, '\n')+1:]
}
