package main

import (
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

// accounts reads the accounts that passwd is to have.
func (s *selection) accounts() ([]plan.Account, error) {
	var list []plan.Account
	for _, arg := range s.users {
		a, ok := parseAccount(arg)
		if !ok {
			return nil, usagef("--user-entry %s: give it as NAME, for the host's, or NAME:UID[:GID[:HOME[:SHELL]]], as in app:10000", arg)
		}
		list = append(list, a)
	}
	if s.bare && s.from == "" && len(list) > 0 {
		return nil, usagef("--bare is programs and libraries alone, and --user-entry %s is more", s.users[0])
	}
	return list, nil
}

// accountName is what useradd(8) takes for a name.
var accountName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// parseAccount takes NAME[:UID[:GID[:HOME[:SHELL]]]] apart. Without a GID, it is
// the UID.
func parseAccount(s string) (a plan.Account, ok bool) {
	fields := strings.Split(s, ":")
	a = plan.Account{Name: fields[0], Host: len(fields) == 1}
	if !accountName.MatchString(a.Name) || len(fields) > 5 {
		return a, false
	}
	if a.Host {
		return a, true
	}
	fields = append(fields, "", "", "")
	if a.UID, ok = parseID(fields[1]); !ok {
		return a, false
	}
	a.GID = a.UID
	if fields[2] != "" {
		if a.GID, ok = parseID(fields[2]); !ok {
			return a, false
		}
	}
	a.Home, a.Shell = fields[3], fields[4]
	for _, name := range fields[3:5] {
		if name != "" && (!path.IsAbs(name) || path.Clean(name) != name || strings.ContainsAny(name, "\n\r")) {
			return a, false
		}
	}
	return a, true
}

func parseID(s string) (id int, ok bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil && n < math.MaxInt32
}
