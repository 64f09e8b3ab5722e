package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// An AccessError says that the image's user could not start a program.
type AccessError struct {
	Program string        // path in the image
	Entry   *rootfs.Entry // what is closed: the program's file, or a folder on the way to it
	User    string        // as in the Spec, "" if nobody could
	Reads   bool          // it is a script, which its interpreter could not read
}

func (e *AccessError) Error() string {
	switch {
	case e.Reads:
		return fmt.Sprintf("user %s may execute and not read %s, a script (%s)", e.User, e.Program, attributes(e.Entry))
	case e.User == "":
		return fmt.Sprintf("%s is not executable (mode %04o)", e.Program, rootfs.UnixPerm(e.Entry.Mode))
	case e.Entry.Mode.IsDir():
		return fmt.Sprintf("user %s may not search %s on the way to %s (%s)", e.User, e.Entry.Path, e.Program, attributes(e.Entry))
	case e.Entry.Path != e.Program:
		return fmt.Sprintf("user %s may not execute %s, which is %s (%s)", e.User, e.Program, e.Entry.Path, attributes(e.Entry))
	}
	return fmt.Sprintf("user %s may not execute %s (%s)", e.User, e.Program, attributes(e.Entry))
}

func attributes(e *rootfs.Entry) string {
	return fmt.Sprintf("mode %04o, owner %d:%d", rootfs.UnixPerm(e.Mode), e.UID, e.GID)
}

// access checks that the image's user may start every program, and read what its
// interpreter reads.
func (b *builder) access() error {
	who, err := b.identity()
	if err != nil {
		return err
	}
	var errs []error
	for _, program := range unique(b.starts) {
		errs = append(errs, b.start(who, program))
	}
	for _, script := range unique(b.scripts) {
		errs = append(errs, b.read(who, script))
	}
	return errors.Join(errs...)
}

// start checks the way to a program as the kernel does.
func (b *builder) start(who identity, program string) error {
	way, err := b.tree.Way(program)
	if err != nil {
		return err
	}
	last := way[len(way)-1]
	if last.Mode&0o111 == 0 {
		return &AccessError{Program: program, Entry: last}
	}
	for _, e := range way {
		if e.Mode&fs.ModeSymlink == 0 && !who.mayExecute(e) {
			return &AccessError{Program: program, Entry: e, User: b.spec.User}
		}
	}
	return nil
}

// read checks that whoever may start a script may read it, as its interpreter
// must.
func (b *builder) read(who identity, script string) error {
	way, err := b.tree.Way(script)
	if err != nil {
		return err
	}
	if last := way[len(way)-1]; who.mayExecute(last) && !who.may(last, 4) {
		return &AccessError{Program: script, Entry: last, User: b.spec.User, Reads: true}
	}
	return nil
}

func unique(list []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

// An identity is who a process is to the kernel.
type identity struct {
	uid    int
	groups []int
}

// mayExecute reports whether the process may execute a file that has some
// execute bit, or search a folder: inode(7), path_resolution(7).
func (who identity) mayExecute(e *rootfs.Entry) bool { return who.may(e, 1) }

// may reports whether the process has a right to a file: 4 to read, 1 to execute.
func (who identity) may(e *rootfs.Entry, right fs.FileMode) bool {
	switch {
	case who.uid == 0:
		return true
	case who.uid == e.UID:
		return e.Mode&(right<<6) != 0
	case slices.Contains(who.groups, e.GID):
		return e.Mode&(right<<3) != 0
	}
	return e.Mode&right != 0
}

// identity is what engines make of the user by the image's passwd and group: a
// number need not be in them, and then has group 0. Who is given no group also
// has those that list it as a member.
func (b *builder) identity() (identity, error) {
	user, grp, _ := strings.Cut(b.spec.User, ":")
	if user == "" {
		return identity{}, nil
	}
	users, err1 := b.accountFile("etc/passwd")
	groups, err2 := b.accountFile("etc/group")
	if err := errors.Join(err1, err2); err != nil {
		return identity{}, err
	}
	var who identity
	account := lookUp(users, user)
	who.uid = idOf(user, account)
	if grp != "" {
		who.groups = []int{idOf(grp, lookUp(groups, grp))}
		return who, nil
	}
	if len(account) < 4 {
		who.groups = []int{0}
		return who, nil
	}
	who.groups = []int{idOf(account[3], nil)}
	for line := range strings.Lines(groups) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= 4 && slices.Contains(strings.Split(f[3], ","), account[0]) {
			who.groups = append(who.groups, idOf(f[2], nil))
		}
	}
	return who, nil
}

// accountFile returns the image's passwd or group, "" if it has none.
func (b *builder) accountFile(name string) (string, error) {
	data, err := fs.ReadFile(b.tree, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return string(data), plain(err)
}

// lookUp returns the fields of the line for a name or number.
func lookUp(data, who string) []string {
	line := find(data, 0, who)
	if line == "" {
		line = find(data, 2, who)
	}
	if line == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(line), ":")
}

// idOf returns the number in an account's line, or, without one, the one that
// who is.
func idOf(who string, account []string) int {
	if len(account) > 2 {
		who = account[2]
	}
	n, numeric, err := number(who)
	if err != nil || !numeric {
		return -1 // nobody: a line that no engine can read
	}
	return n
}
