package plan

import (
	"bytes"
	"fmt"
	"io/fs"
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
	if b.spec.Bare {
		return b.addMissing(why, rootfs.Dir("/dev", 0o755))
	}
	top := b.hostTop
	if b.spec.Layout == Flat {
		top = b.flatLinks
	}
	if err := top(why); err != nil {
		return err
	}
	accounts, groups, err := b.accounts()
	if err != nil {
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
		rootfs.File("/etc/passwd", 0o644, accounts),
		rootfs.File("/etc/group", 0o644, groups),
		rootfs.File("/etc/nsswitch.conf", 0o644, []byte(nsswitch)),
	)
}

// hostTop adds the top-level folders of programs and libraries as the host has
// them, links of a merged /usr among them, and the file that names the
// distribution.
func (b *builder) hostTop(why rootfs.Reason) error {
	for _, name := range []string{"/bin", "/sbin", "/lib", "/lib64", "/etc/os-release"} {
		if _, err := b.host.Stat(name[1:]); err != nil || b.holds(name) {
			continue
		}
		if err := b.tree.AddHost(b.host, name, why); err != nil {
			return err
		}
	}
	return nil
}

// accounts returns passwd and group: the fixed ones and, of the host's, just
// the user and group that the image's process is to have.
func (b *builder) accounts() (users, groups []byte, err error) {
	users, groups = []byte(passwd), []byte(group)
	user, grp, _ := strings.Cut(b.spec.User, ":")
	if user, err = b.account("/etc/passwd", user, users); err != nil {
		return nil, nil, err
	}
	if user != "" {
		users = append(users, user...)
		if fields := strings.Split(user, ":"); len(fields) > 3 {
			gid := fields[3]
			line, _ := b.hostLine("/etc/group", func(f []string) bool { return f[2] == gid })
			groups = append(groups, line...)
		}
	}
	if grp, err = b.account("/etc/group", grp, groups); err != nil {
		return nil, nil, err
	}
	return users, append(groups, grp...), nil
}

// account returns the host's line for a name that is not in have, "" for a
// number.
func (b *builder) account(file, name string, have []byte) (string, error) {
	if _, err := strconv.Atoi(name); err == nil || name == "" {
		return "", nil
	}
	if bytes.HasPrefix(have, []byte(name+":")) || bytes.Contains(have, []byte("\n"+name+":")) {
		return "", nil
	}
	line, err := b.hostLine(file, func(f []string) bool { return f[0] == name })
	if err != nil {
		return "", fmt.Errorf("looking up %q: %w", name, err)
	}
	if line == "" {
		return "", &UnknownUserError{Name: name, File: file}
	}
	return line, nil
}

// An UnknownUserError means that an account is neither among the fixed ones nor
// on the host.
type UnknownUserError struct{ Name, File string }

func (e *UnknownUserError) Error() string {
	return fmt.Sprintf("nobody in %s is called %q", e.File, e.Name)
}

// hostLine returns the first line of a colon-separated file of the host, with
// at least three fields, that match accepts.
func (b *builder) hostLine(file string, match func(fields []string) bool) (string, error) {
	data, err := fs.ReadFile(b.host, file[1:])
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= 3 && match(f) {
			return strings.TrimSpace(line) + "\n", nil
		}
	}
	return "", nil
}
