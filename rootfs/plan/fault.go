package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A Fault is what is to be broken on purpose, so that people see what it leads to.
// The zero value is nothing.
type Fault struct {
	Kind FaultKind
	Name string // of the library, for [NoLibrary]: its soname, or the first part of it, as in libtinfo
}

// A FaultKind is a kind of fault, as a command line names it.
type FaultKind string

// The kinds of faults.
const (
	NoLoader  FaultKind = "loader"   // what PT_INTERP names is missing
	NoLibrary FaultKind = "lib"      // a library is missing
	NoTmp     FaultKind = "tmp"      // /tmp and /var/tmp are missing
	NoPasswd  FaultKind = "passwd"   // /etc/passwd is missing
	NoExecBit FaultKind = "exec-bit" // programs are not executable
	OtherArch FaultKind = "arch"     // programs say that they are for another processor
	OtherRoot FaultKind = "root-dir" // everything lies one folder too deep, in FaultRoot
)

// FaultRoot is where everything lies after [OtherRoot].
const FaultRoot = "/rootfs"

// FaultKinds are all kinds of faults.
var FaultKinds = []FaultKind{NoLoader, NoLibrary, NoTmp, NoPasswd, NoExecBit, OtherArch, OtherRoot}

// ParseFault reads a fault: its kind, and for a library ":NAME" behind it.
func ParseFault(text string) (Fault, error) {
	kind, name, named := strings.Cut(text, ":")
	f := Fault{FaultKind(kind), name}
	switch {
	case !slices.Contains(FaultKinds, f.Kind):
		return Fault{}, &FaultError{text, "there are " + words()}
	case f.Kind == NoLibrary && name == "":
		return Fault{}, &FaultError{text, "name the library, as in lib:libc.so.6"}
	case f.Kind != NoLibrary && named:
		return Fault{}, &FaultError{text, "only lib has a name behind it"}
	}
	return f, nil
}

// words lists the kinds as [ParseFault] reads them.
func words() string {
	var list []string
	for _, k := range FaultKinds {
		if k == NoLibrary {
			k += ":NAME"
		}
		list = append(list, string(k))
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

// String writes the fault as [ParseFault] reads it.
func (f Fault) String() string {
	if f.Name == "" {
		return string(f.Kind)
	}
	return string(f.Kind) + ":" + f.Name
}

// A FaultError says why something cannot be broken.
type FaultError struct {
	Fault string // as it was asked for
	Why   string
}

func (e *FaultError) Error() string { return fmt.Sprintf("--break %s: %s", e.Fault, e.Why) }

// Reason is the error without what was asked for.
func (e *FaultError) Reason() error { return errors.New(e.Why) }

// Damage is what a [Fault] has done to a plan.
type Damage struct {
	Fault   Fault
	Program string   // path in the image of the first program that notices
	Name    string   // of the library that it lacks, as it asks for it, "" for another fault
	By      string   // path of the program or library that needs that
	Musl    bool     // musl's loader starts it
	Paths   []string // what is missing or changed, nil after [OtherRoot], which moves everything
}

// isNamed reports whether a library's name is, or begins with, what a fault says.
func (f Fault) isNamed(name string) bool {
	base := path.Base(name)
	stem, _, _ := strings.Cut(base, ".so")
	return f.Name == name || f.Name == base || f.Name == stem
}
