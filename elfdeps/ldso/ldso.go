// Package ldso asks for a second opinion on a closure: it has a program's own
// loader list what it would load, through u-root's package ldd, and explains each
// difference from what elfdeps found by reading.
//
//	opinion, err := ldso.Ask(program)
//	comparison := ldso.Compare(program, opinion)
//
// # What it rules out
//
// This is the one package of elfdeps that runs anything. To run what PT_INTERP
// names is to run code that the program's author chose, so [Ask] does so only if
// that file belongs to root, as do all folders above it, and nobody else may write
// there; and only on this machine's own root, for this machine's architecture. A
// program with auditors, whose code the loader would run, is refused too. That
// still leaves the loader to read the program's headers, which it does not expect
// to be hostile: do not ask about a program that you would not start.
//
// # What u-root does not see
//
// Where both differ, nearly always the reading of the loader's list is at fault,
// and not the loader or the resolver. u-root v0.16.0 keeps the lines with an arrow
// only, cuts them at blanks, finds the interpreter by section headers, takes a
// guess without them, and gets no list at all if a library is missing. Each of
// these is a [Why].
package ldso

import (
	"fmt"
	"slices"

	"github.com/harvest-oci/harvest/elfdeps"
)

// An Opinion is what u-root's ldd, and through it a loader, lists for a program.
type Opinion struct {
	Loader  string   // which was run; "" if u-root saw no interpreter
	Guessed bool     // the file names no interpreter that u-root could see
	Files   []string // the loader and the libraries, sorted
	Stopped string   // what the loader said instead of a list; "" if there is one
}

// A RefusedError says why a program's loader is not asked.
type RefusedError struct{ Program, Reason string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: its loader cannot be asked: %s", e.Program, e.Reason)
}

// A Why explains a difference.
type Why string

// The known reasons.
const (
	Unexplained Why = "not explained"
	Stopped     Why = "a library is missing, and the loader lists nothing then"
	NoSections  Why = "u-root sees no interpreter without section headers"
	Guessed     Why = "u-root adds a loader to files that name none"
	Slash       Why = "its name has a slash, and u-root drops such lines of the loader's list"
	Blank       Why = "u-root cuts the lines of the loader's list at blanks"
	OpenedLater Why = "opened after the start, of which the loader's list says nothing"
	Processor   Why = "the loader takes what suits this processor, harvest what suits all"
	WorkingDir  Why = "found by a relative path, which leads elsewhere from another folder"
)

// A Difference is a file that one of both has.
type Difference struct {
	Path     string
	ByLoader bool // the loader lists it and the link map lacks it; else the other way round
	Why      Why
}

// A Comparison is a link map beside an opinion on it.
type Comparison struct {
	Both        []string     // in load order
	Differences []Difference // those of the link map in load order, then those of the loader, sorted
}

// Unexplained returns how many differences have no known reason.
func (c *Comparison) Unexplained() int {
	n := 0
	for _, d := range c.Differences {
		if d.Why == Unexplained {
			n++
		}
	}
	return n
}

// Compare explains how an opinion differs from a program's link map.
func Compare(p *elfdeps.Program, o *Opinion) *Comparison {
	e := &explainer{program: p, opinion: o}
	c := &Comparison{}
	for _, object := range p.Objects {
		switch {
		case object == p.Self():
		case slices.Contains(o.Files, object.Path):
			c.Both = append(c.Both, object.Path)
		default:
			e.mine = append(e.mine, object)
		}
	}
	for _, file := range o.Files {
		if !slices.Contains(c.Both, file) {
			e.theirs = append(e.theirs, file)
		}
	}
	for _, object := range e.mine {
		c.Differences = append(c.Differences, Difference{Path: object.Path, Why: e.whyMine(object)})
	}
	for _, file := range e.theirs {
		c.Differences = append(c.Differences, Difference{file, true, e.whyTheirs(file)})
	}
	return c
}
