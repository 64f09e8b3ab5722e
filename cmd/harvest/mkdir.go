package main

import (
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// folders reads the folders that are to be made.
func (s *selection) folders() ([]plan.Folder, error) {
	var list []plan.Folder
	for _, arg := range s.mkdirs {
		f, ok := parseFolder(arg)
		if !ok {
			return nil, usagef("--mkdir %s: give it as DIR[:MODE[:UID[:GID]]], DIR absolute and MODE octal, as in /var/cache/app:0750:1000", arg)
		}
		list = append(list, f)
	}
	return list, nil
}

// parseFolder takes DIR[:MODE[:UID[:GID]]] apart. The mode is 0755 and the owner
// root unless they are given; without a GID, it is the UID, as with COPY --chown.
func parseFolder(s string) (f plan.Folder, ok bool) {
	fields := strings.Split(s, ":")
	f = plan.Folder{Path: path.Clean(fields[0]), Mode: 0o755}
	if !path.IsAbs(f.Path) || len(fields) > 4 {
		return f, false
	}
	if len(fields) > 1 && fields[1] != "" {
		mode, err := strconv.ParseUint(fields[1], 8, 12)
		if err != nil {
			return f, false
		}
		f.Mode = rootfs.FileMode(uint32(mode))
	}
	for i, field := range fields[min(2, len(fields)):] {
		if field == "" {
			continue
		}
		id, err := strconv.ParseUint(field, 10, 31)
		if err != nil || id > math.MaxInt32 {
			return f, false
		}
		if f.GID = int(id); i == 0 {
			f.UID = int(id)
		}
	}
	return f, true
}
