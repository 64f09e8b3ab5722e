// Package lint finds what is broken in a root file system, whoever made it:
// programs that would not start, links that lead nowhere, libraries of two libcs
// in one program, privileges that were lost on the way.
//
// It follows the rule of elfdeps: each ELF program is resolved in the tree alone,
// as the kernel and the loader would do it there. Scripts are followed to their
// interpreter by their first line, as execve(2) does. Nothing is run.
//
// What may be opened later, or by a path that only the program knows, is not
// looked for; an image without findings can still lack data.
package lint

import (
	"cmp"
	"context"
	"slices"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Rule names what a finding is about.
type Rule string

// The rules. What breaks one of the first seven keeps something from starting; the
// others are warnings, and so are scripts that are not where programs are looked
// up.
const (
	Command      Rule = "command"      // what the image runs is not there, or is no program of its platform
	User         Rule = "user"         // who the image runs as has no account in it
	Interpreter  Rule = "interpreter"  // the file that PT_INTERP names is missing, or not executable
	Library      Rule = "library"      // a DT_NEEDED is unmet
	Libc         Rule = "libc"         // a program loads libraries for glibc and for musl
	Damaged      Rule = "damaged"      // an ELF file cannot be read
	Script       Rule = "script"       // the interpreter of a script is missing
	Link         Rule = "link"         // a symbolic link leads nowhere
	Capabilities Rule = "capabilities" // a program that needs privileges has none
)

// A Finding is something that is broken, or looks so.
type Finding struct {
	Rule    Rule   `json:"rule"`
	Path    string `json:"path"`              // in the image
	Need    string `json:"need,omitempty"`    // what it lacks, by the name under which it is asked for
	Text    string `json:"text"`              // what is wrong with it
	Mend    string `json:"mend"`              // what would help
	Warning bool   `json:"warning,omitempty"` // it may be meant so
	Case    Case   `json:"-"`                 // of [Command] and [Interpreter]
}

// A Case tells findings of one rule apart.
type Case string

// The cases.
const (
	Absent   Case = "absent"   // it is not there
	Closed   Case = "mode"     // it is not executable
	Text     Case = "text"     // the kernel would not know what to start
	Platform Case = "platform" // it is for another platform
)

// A Root is what is to be checked.
type Root struct {
	Tree        *rootfs.Tree
	Command     string   // what the image runs, a path or a name that is looked up; "" for nothing
	User        string   // who it runs as, USER[:GROUP]; "" is root
	WorkingDir  string   // where it runs; "" is /
	Path        []string // where names are looked up; nil means [DefaultPath]
	LibraryPath []string // LD_LIBRARY_PATH of the image
	Platform    string   // that it says that it is for, as in linux/amd64; "" for any
}

// DefaultPath is where container engines look programs up in an image that does
// not say.
var DefaultPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Result is what a check has found, and how much there was to look at.
type Result struct {
	Findings []Finding // by path
	Programs int       // ELF files that are no libraries
	Scripts  int
	Links    int
}

// Errors counts the findings that are no warnings.
func (r *Result) Errors() int {
	n := 0
	for _, f := range r.Findings {
		if !f.Warning {
			n++
		}
	}
	return n
}

// Check looks at a whole root file system. The error is one of reading it, not of
// what is in it.
func Check(ctx context.Context, root Root) (*Result, error) {
	if root.Path == nil {
		root.Path = DefaultPath
	}
	c := checker{Root: root, result: &Result{Findings: []Finding{}}, names: filesByName(root.Tree)}
	programs, scripts, err := c.sort(ctx)
	if err != nil {
		return nil, err
	}
	c.command()
	if err := c.user(); err != nil {
		return nil, err
	}
	if err := c.resolve(ctx, programs, scripts); err != nil {
		return nil, err
	}
	for e := range root.Tree.All() {
		c.link(e)
		c.privileges(e)
	}
	c.result.Scripts = len(scripts)
	slices.SortStableFunc(c.result.Findings, func(a, b Finding) int { return cmp.Compare(a.Path, b.Path) })
	return c.result, nil
}

// A checker goes through a root.
type checker struct {
	Root
	result *Result
	names  map[string]string // the first path of a file that ends in a name
	libcs  map[string]bool   // paths of what is made for another libc than the program that loads it
}

func (c *checker) find(rule Rule, path, text, mend string) { c.lacks(rule, path, "", text, mend) }

// lacks notes that something needs what it does not get.
func (c *checker) lacks(rule Rule, path, need, text, mend string) {
	warning := rule == Link || rule == Capabilities
	c.result.Findings = append(c.result.Findings, Finding{Rule: rule, Path: path, Need: need, Text: text, Mend: mend, Warning: warning})
}

// inCase says which case the last finding is.
func (c *checker) inCase(which Case) { c.result.Findings[len(c.result.Findings)-1].Case = which }
