package diagnosis

import (
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// checks are what causes can name: each says whether one holds, and where.
var checks = map[string]func(*patient) (where string, holds bool){
	"no-command":   (*patient).noCommand,
	"not-in-path":  (*patient).notInPath,
	"no-such-name": (*patient).noSuchName,
	"no-libgcc":    func(p *patient) (string, bool) { return "", !p.anywhere("libgcc_s.so.1") },
	"machine":      (*patient).otherMachine,
	"closed":       (*patient).closed,
	"closed-tmp":   (*patient).closedTmp,
	"uid":          (*patient).noUID,
	"no-dns":       (*patient).noDNS,
	"no-nss-dns":   (*patient).noNSSDNS,
}

func (p *patient) noCommand() (string, bool) { return "", p.Known && p.Command == "" }

func (p *patient) notInPath() (string, bool) {
	name := p.match.Groups["name"]
	return "", name != "" && p.entry(name) == nil
}

// noSuchName reports whether nothing in the image is called like what is missing,
// with whatever ending. Dots in the name of a module may stand for folders.
func (p *patient) noSuchName() (string, bool) {
	name := p.match.Groups["name"]
	return "", name != "" && !p.anywhere(path.Base(name)) && !p.anywhere(path.Base(strings.ReplaceAll(name, ".", "/")))
}

// anywhere reports whether an entry is called like that, or like that with an
// ending.
func (p *patient) anywhere(name string) bool {
	for e := range p.Tree.All() {
		base := path.Base(e.Path)
		if stem, _, _ := strings.Cut(base, "."); base == name || stem == name {
			return true
		}
	}
	return false
}

// otherMachine reports whether the image is for another processor than the machine.
func (p *patient) otherMachine() (string, bool) {
	if p.Platform == "" || p.Machine == "" {
		return "", false
	}
	arch := func(platform string) string {
		parts := strings.SplitN(platform, "/", 3)
		return parts[min(1, len(parts)-1)]
	}
	image, machine := arch(p.Platform), arch(p.Machine)
	runs := image == machine || image == "386" && machine == "amd64" || image == "arm" && machine == "arm64"
	return p.Platform, !runs
}

// closed returns the first on the way to the file that the image's user may not
// search or execute. Only a user that is a number, or has a line in passwd, can be
// told; nobody else is asked for.
func (p *patient) closed() (string, bool) {
	uid, gid, ok := p.user()
	if !ok || uid == 0 || p.entry(p.file) == nil {
		return "", false
	}
	way, err := p.Tree.Way(p.entry(p.file).Path)
	if err != nil {
		return "", false
	}
	for _, e := range way {
		bit := fs.FileMode(0o001)
		switch {
		case e.UID == uid:
			bit = 0o100
		case e.GID == gid:
			bit = 0o010
		}
		if e.Mode&fs.ModeSymlink == 0 && e.Mode&bit == 0 && e.Mode&0o111 != 0 {
			return e.Path, true
		}
	}
	return "", false
}

// user returns the numbers that the image runs as, and whether they are known.
func (p *patient) user() (uid, gid int, ok bool) {
	name, _, _ := strings.Cut(p.User, ":")
	if uid, err := strconv.Atoi(name); err == nil {
		return uid, 0, true // an engine's default group
	}
	for _, fields := range p.passwd() {
		if fields[0] == name {
			uid, err1 := strconv.Atoi(fields[2])
			gid, err2 := strconv.Atoi(fields[3])
			return uid, gid, err1 == nil && err2 == nil
		}
	}
	return 0, 0, false
}

// passwd returns the accounts of the image.
func (p *patient) passwd() [][]string {
	text, err := fs.ReadFile(p.Tree, "etc/passwd")
	if err != nil {
		return nil
	}
	var list [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) >= 4 {
			list = append(list, fields)
		}
	}
	return list
}

// closedTmp reports whether a folder for temporary files is not open to all.
func (p *patient) closedTmp() (string, bool) {
	real, err := p.Tree.RealPath(p.match.Groups["dir"])
	e := p.Tree.Entry(real)
	return real, err == nil && e != nil && e.Mode.IsDir() && rootfs.UnixPerm(e.Mode)&0o007 != 0o007
}

// noUID reports whether passwd lacks the number that the message says.
func (p *patient) noUID() (string, bool) {
	id := p.match.Groups["user"]
	for _, fields := range p.passwd() {
		if fields[2] == id {
			return "", false
		}
	}
	uid, _, known := p.user()
	if id == "" && known { // bash does not say it
		p.match.Groups["user"] = strconv.Itoa(uid)
		return (&patient{Image: p.Image, match: p.match}).noUID()
	}
	return "/etc/passwd", id != "" || len(p.passwd()) == 0
}

// noDNS reports whether nsswitch.conf(5) keeps programs from asking name servers.
func (p *patient) noDNS() (string, bool) {
	text, err := fs.ReadFile(p.Tree, "etc/nsswitch.conf")
	if err != nil {
		return "", false // without a file, glibc asks files and then dns
	}
	for line := range strings.Lines(string(text)) {
		database, sources, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(database) == "hosts" {
			sources, _, _ = strings.Cut(sources, "#")
			return "/etc/nsswitch.conf", !regexp.MustCompile(`\b(dns|resolve)\b`).MatchString(sources)
		}
	}
	return "", false
}

// noNSSDNS reports whether a glibc is there that wants libnss_dns.so.2, and that is
// not. Since 2.34 it is in libc itself, whose file is called libc.so.6 and no more.
func (p *patient) noNSSDNS() (string, bool) {
	old := regexp.MustCompile(`^libc-2\.(\d+)\.so$`)
	for e := range p.Tree.All() {
		if v := old.FindStringSubmatch(path.Base(e.Path)); v != nil && len(v[1]) <= 2 && v[1] < "34" {
			return e.Path, !p.anywhere("libnss_dns")
		}
	}
	return "", false
}
