package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// An Account is one that the image's passwd is to have, with its group.
type Account struct {
	Name string
	Host bool // as the host has it, and the rest counts for nothing

	UID, GID int
	Home     string // "" for /nonexistent; any other is made, if it is not there
	Shell    string // "" for /usr/sbin/nologin
}

// String returns the account as it is given on a command line.
func (a Account) String() string {
	if a.Host {
		return a.Name
	}
	s := fmt.Sprintf("%s:%d:%d", a.Name, a.UID, a.GID)
	switch {
	case a.Shell != "":
		s += ":" + a.Home + ":" + a.Shell
	case a.Home != "":
		s += ":" + a.Home
	}
	return s
}

func (a Account) line() string {
	return fmt.Sprintf("%s:x:%d:%d::%s:%s\n", a.Name, a.UID, a.GID, cmp.Or(a.Home, "/nonexistent"), cmp.Or(a.Shell, "/usr/sbin/nologin"))
}

// An AccountError means that an account cannot be as it is wanted, since the image
// has another.
type AccountError struct {
	Account Account
	Have    string // the line of the other
	File    string // in which it is
}

func (e *AccountError) Error() string {
	return fmt.Sprintf("--user-entry %s: the image's %s has %s", e.Account, e.File, strings.TrimSpace(e.Have))
}

// enter returns the lines of passwd and group with those of the accounts that the
// spec wants.
func (b *builder) enter(users, groups string) (moreUsers, moreGroups string, err error) {
	var errs []error
	for _, a := range b.spec.Accounts {
		var err error
		if a.Host {
			users, groups, err = b.enterHosts(a.Name, users, groups)
		} else {
			users, groups, err = b.enterNew(a, users, groups)
		}
		errs = append(errs, err)
	}
	return users, groups, errors.Join(errs...)
}

// enterHosts adds the host's line of a user, and that of the user's group.
func (b *builder) enterHosts(name, users, groups string) (moreUsers, moreGroups string, err error) {
	line, err := b.account("/etc/passwd", name, users)
	if err != nil {
		return users, groups, err
	}
	users += line
	if fields := strings.Split(line, ":"); len(fields) > 3 {
		groups += b.groupLine(fields[3], groups)
	}
	return users, groups, nil
}

// enterNew adds an account that the host need not know. What is there already
// under its name must be the same.
func (b *builder) enterNew(a Account, users, groups string) (moreUsers, moreGroups string, err error) {
	const file = "/etc/passwd"
	if own, err := b.ownFile(file); err != nil || own != "" || b.spec.Bare && !b.tree.InBase(file) {
		if err == nil && find(own, 0, a.Name) == "" {
			err = &UnknownUserError{a.Name, "the image's " + file}
		}
		return users, groups, err
	}
	for i, value := range []string{a.Name, "", strconv.Itoa(a.UID)} {
		if have := find(users, i, value); value != "" && have != "" {
			if f := strings.Split(have, ":"); f[0] == a.Name && f[2] == strconv.Itoa(a.UID) {
				return users, groups, nil
			}
			return users, groups, &AccountError{a, have, file}
		}
	}
	users += a.line()
	if find(groups, 2, strconv.Itoa(a.GID)) == "" {
		if have := find(groups, 0, a.Name); have != "" {
			return users, groups, &AccountError{a, have, "/etc/group"}
		}
		groups += fmt.Sprintf("%s:x:%d:\n", a.Name, a.GID)
	}
	return users, groups, b.home(a)
}

// ownFile returns what the user has added as a file, "" if nothing.
func (b *builder) ownFile(file string) (string, error) {
	if base, err := b.fromBase(file); err != nil || base != "" || !b.taken(file) {
		return "", err
	}
	data, err := fs.ReadFile(b.tree, file[1:])
	return string(data), plain(err)
}

// home makes the folder of a new account.
func (b *builder) home(a Account) error {
	if a.Home == "" || a.Home == "/nonexistent" || b.taken(a.Home) {
		return nil
	}
	e := rootfs.Dir(a.Home, 0o700).For(rootfs.Reason{Kind: "added", From: "--user-entry " + a.String()})
	e.UID, e.GID = a.UID, a.GID
	return b.tree.AddDir(b.host, e)
}

// publicUser returns a line of passwd as the image gets it. Passwords are the
// host's secrets, and who people are is their own matter: accounts from 1000 on
// that only own a file are without that.
func publicUser(line string, asked bool) string {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) < 7 {
		return line
	}
	f[1] = "x"
	if uid, numeric, err := number(f[2]); !asked && numeric && err == nil && uid >= 1000 && uid < 65534 {
		f[4] = ""
	}
	return strings.Join(f, ":") + "\n"
}

// publicGroup returns a line of group as the image gets it: without a password,
// and of its members with those whom the image knows.
func publicGroup(line, users string) string {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) < 3 {
		return line
	}
	var members []string
	if len(f) > 3 {
		for name := range strings.SplitSeq(f[3], ",") {
			if name != "" && find(users, 0, name) != "" {
				members = append(members, name)
			}
		}
	}
	return fmt.Sprintf("%s:x:%s:%s\n", f[0], f[2], strings.Join(members, ","))
}
