package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// ids are the users and groups that there are in a sandbox, and whom they are
// outside.
type ids struct {
	users, groups []syscall.SysProcIDMap
	tools         bool // newuidmap and newgidmap set them
	host          bool // they are the host's own, for want of user namespaces
	uid           int  // of the first process
}

// idsFor returns the users and groups for a command that runs as uid and gid.
func idsFor(uid, gid int) (ids, error) {
	var m ids
	var err error
	switch {
	case os.Geteuid() == 0 && forbidding() != "":
		return ids{host: true}, nil // as engines do it
	case os.Geteuid() == 0:
		m, err = allIDs()
	default:
		m, err = rangesOfUser()
	}
	if err != nil {
		return m, err
	}
	if len(m.users) == 0 {
		one := func(inside, outside int) []syscall.SysProcIDMap {
			return []syscall.SysProcIDMap{{ContainerID: inside, HostID: outside, Size: 1}}
		}
		return ids{users: one(uid, os.Geteuid()), groups: one(gid, os.Getegid()), uid: uid}, nil
	}
	if !has(m.users, uid) || !has(m.groups, gid) {
		return m, fmt.Errorf("user %d:%d is not among those that this user may have, see /etc/subuid and /etc/subgid", uid, gid)
	}
	return m, nil
}

func has(list []syscall.SysProcIDMap, id int) bool {
	for _, m := range list {
		if m.ContainerID <= id && id-m.ContainerID < m.Size {
			return true
		}
	}
	return false
}

// single reports whether there is just one user.
func (m ids) single() bool { return len(m.users) == 1 && m.users[0].Size == 1 }

// allIDs maps every user and group that there are to itself.
func allIDs() (m ids, err error) {
	users, err := user.CurrentProcessUIDMap()
	if err != nil {
		return m, err
	}
	groups, err := user.CurrentProcessGIDMap()
	if err != nil {
		return m, err
	}
	return ids{users: identity(users), groups: identity(groups)}, nil
}

func identity(list []user.IDMap) []syscall.SysProcIDMap {
	var same []syscall.SysProcIDMap
	for _, m := range list {
		same = append(same, syscall.SysProcIDMap{ContainerID: int(m.ID), HostID: int(m.ID), Size: int(min(m.Count, math.MaxInt))})
	}
	return same
}

// rangesOfUser maps root to the user that runs this program, and what follows to
// the ranges that it was given. Without any, or the tools to map them, there are
// no IDs.
func rangesOfUser() (m ids, err error) {
	if !installed("newuidmap") || !installed("newgidmap") {
		return m, nil
	}
	users, err := user.CurrentUserSubUIDs()
	if err != nil || len(users) == 0 {
		return m, unlessUnknown(err)
	}
	groups, err := user.CurrentUserSubGIDs()
	if err != nil || len(groups) == 0 {
		return m, unlessUnknown(err)
	}
	return ids{users: rootAnd(os.Geteuid(), users), groups: rootAnd(os.Getegid(), groups), tools: true}, nil
}

func installed(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}

// unlessUnknown returns no error if the system does not say who has which ranges.
func unlessUnknown(err error) error {
	for _, unknown := range []error{fs.ErrNotExist, fs.ErrPermission, user.ErrNoPasswdEntries} {
		if errors.Is(err, unknown) {
			return nil
		}
	}
	return err
}

func rootAnd(self int, ranges []user.SubID) []syscall.SysProcIDMap {
	list := []syscall.SysProcIDMap{{ContainerID: 0, HostID: self, Size: 1}}
	next := 1
	for _, r := range ranges {
		list = append(list, syscall.SysProcIDMap{ContainerID: next, HostID: int(r.SubID), Size: int(r.Count)})
		next += int(r.Count)
	}
	return list
}

// apply has the first process start in a user namespace, with all privileges in
// it, unless set will see to that.
func (m ids) apply(attr *syscall.SysProcAttr) {
	if m.host {
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	if m.tools {
		return
	}
	attr.UidMappings, attr.GidMappings = m.users, m.groups
	attr.GidMappingsEnableSetgroups = !m.single()
	if m.uid != 0 { // execve(2) leaves only root its privileges
		for c := range lastCapability() + 1 {
			attr.AmbientCaps = append(attr.AmbientCaps, uintptr(c))
		}
	}
}

// set has the tools map the IDs of a process.
func (m ids) set(pid int) error {
	if !m.tools {
		return nil
	}
	if err := runTool("newuidmap", pid, m.users); err != nil {
		return err
	}
	return runTool("newgidmap", pid, m.groups)
}

func runTool(tool string, pid int, list []syscall.SysProcIDMap) error {
	args := []string{strconv.Itoa(pid)}
	for _, m := range list {
		args = append(args, strconv.Itoa(m.ContainerID), strconv.Itoa(m.HostID), strconv.Itoa(m.Size))
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", tool, err, strings.TrimSpace(string(out)))
	}
	return nil
}
