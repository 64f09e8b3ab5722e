package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// The accounts that every image has: the names and numbers of distroless
// images, so that -u nonroot means the same everywhere.
const (
	passwd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin
`
	group = `root:x:0:
nogroup:x:65534:
nonroot:x:65532:
`
	nsswitch = `passwd: files
group: files
shadow: files
hosts: files dns
`
)

// skeleton adds the folders and files that programs expect of any root, where
// the user has not put something else.
func (b *builder) skeleton() error {
	why := rootfs.Reason{Kind: "skeleton"}
	users, groups, err := b.accounts()
	if err == nil {
		err = errors.Join(b.amend("/etc/passwd", users), b.amend("/etc/group", groups))
	}
	if err == nil {
		err = b.addShadow(users, groups)
	}
	if err != nil {
		return err
	}
	if b.spec.Bare {
		return b.addMissing(why, rootfs.Dir("/dev", 0o755))
	}
	if err := b.top(why); err != nil {
		return err
	}
	return b.addMissing(why,
		rootfs.Dir("/dev", 0o755),
		rootfs.Dir("/proc", 0o755),
		rootfs.Dir("/sys", 0o755),
		rootfs.Dir("/run", 0o755),
		rootfs.Dir("/root", 0o700),
		rootfs.Dir("/tmp", fs.ModeSticky|0o777),
		rootfs.Dir("/var/tmp", fs.ModeSticky|0o777),
		rootfs.File("/etc/passwd", 0o644, []byte(users)),
		rootfs.File("/etc/group", 0o644, []byte(groups)),
		rootfs.File("/etc/nsswitch.conf", 0o644, []byte(nsswitch)),
	)
}

// top adds what only a root of its own needs: a base has folders and a
// distribution already.
func (b *builder) top(why rootfs.Reason) error {
	switch {
	case b.spec.Base != nil:
		return nil
	case b.spec.Layout == Flat:
		return b.flatTop(why)
	}
	return b.hostTop(why)
}

// hostTop adds the top-level folders of programs and libraries as the host has
// them, links of a merged /usr among them, and the file that names the
// distribution.
func (b *builder) hostTop(why rootfs.Reason) error {
	for _, name := range []string{"/bin", "/sbin", "/lib", "/lib64", "/etc/os-release"} {
		if _, err := b.host.Stat(name[1:]); err != nil || b.taken(name) {
			continue
		}
		if err := b.tree.AddHost(b.host, name, why); err != nil {
			return err
		}
	}
	return nil
}

// accounts returns the lines of passwd and group: the fixed ones or the base's
// and, of the host's, just those of the user and group that the image's process
// is to have.
func (b *builder) accounts() (users, groups string, err error) {
	user, grp, _ := strings.Cut(b.spec.User, ":")
	if b.spec.User == ":" {
		return "", "", errors.New(`":" names neither a user nor a group`)
	}
	baseUsers, err1 := b.fromBase("/etc/passwd")
	baseGroups, err2 := b.fromBase("/etc/group")
	if err := errors.Join(err1, err2); err != nil {
		return "", "", err
	}
	users, groups = cmp.Or(baseUsers, passwd), cmp.Or(baseGroups, group)
	if users, groups, err = b.enter(users, groups); err != nil {
		return "", "", err
	}
	line, err := b.account("/etc/passwd", user, users)
	if err != nil {
		return "", "", err
	}
	users += line
	if fields := strings.Split(line, ":"); len(fields) > 3 {
		groups += b.groupLine(fields[3], groups)
	}
	line, err = b.account("/etc/group", grp, groups)
	if err != nil {
		return "", "", err
	}
	if line != "" {
		groups += publicGroup(line, users)
	}
	moreUsers, moreGroups := b.staff(users, groups)
	return users + moreUsers, groups + moreGroups, nil
}

// account returns the line that file is to have for a name, "" if none is
// missing: for a number, and for a name that the lines in have know. A file that
// the user has added, or a bare image's lack of one, cannot be amended.
func (b *builder) account(file, name, have string) (string, error) {
	if _, numeric, err := number(name); err != nil || numeric || name == "" {
		return "", err
	}
	base, err := b.fromBase(file)
	if err != nil {
		return "", err
	}
	own, err := fs.ReadFile(b.tree, file[1:])
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking up %q in the image: %w", name, plain(err))
	}
	added := err == nil && base == ""
	if added || b.spec.Bare {
		have = string(own)
	}
	switch {
	case find(have, 0, name) != "":
		return "", nil
	case added:
		return "", &UnknownUserError{name, "the image's " + file}
	case b.spec.Bare && base == "":
		return "", &UnknownUserError{name, "a bare image (no " + file + ")"}
	}
	data, err := fs.ReadFile(b.host, file[1:])
	if err != nil {
		return "", fmt.Errorf("looking up %q: %w", name, plain(err))
	}
	line := find(string(data), 0, name)
	if line == "" {
		return "", &UnknownUserError{name, file}
	}
	if file == "/etc/passwd" {
		return publicUser(line, true), nil
	}
	return line, nil
}

// number returns the number of a user or group that is given by one. An error
// says that no engine takes it.
func number(s string) (n int, numeric bool, err error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, false, nil
	}
	if err != nil || id < 0 || id > math.MaxInt32 {
		return 0, true, fmt.Errorf("user or group %s: numbers are 0 to %d", s, math.MaxInt32)
	}
	return int(id), true, nil
}

// groupLine returns the host's line for a group's number, "" if there is none
// or its name is taken. A user's own group needs no name.
func (b *builder) groupLine(gid, have string) string {
	data, err := fs.ReadFile(b.host, "etc/group")
	if err != nil {
		return ""
	}
	line := find(string(data), 2, gid)
	if name, _, _ := strings.Cut(line, ":"); line == "" || find(have, 0, name) != "" {
		return ""
	}
	return withoutMembers(line)
}

// An UnknownUserError means that nothing gives the name of a user or group a
// number.
type UnknownUserError struct {
	Name  string
	Where string // it was looked for: "/etc/passwd", "the image's /etc/group"
}

func (e *UnknownUserError) Error() string {
	return fmt.Sprintf("nobody in %s is called %q", e.Where, e.Name)
}

// find returns the first line of a colon-separated file, with at least three
// fields, whose i-th field is value.
func find(data string, i int, value string) string {
	for line := range strings.Lines(data) {
		line = strings.TrimSpace(line)
		if f := strings.Split(line, ":"); len(f) >= 3 && f[i] == value {
			return line + "\n"
		}
	}
	return ""
}
