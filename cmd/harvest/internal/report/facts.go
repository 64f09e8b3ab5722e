package report

import (
	"io/fs"
	"path"

	"github.com/harvest-oci/harvest/rootfs"
)

// A fact says whether an image has something that programs may expect.
type fact struct {
	What    string
	Found   string // where it is, "" if it is not there
	Without string // what happens without
	Flag    string // what adds it
}

// expected are things that are often missed, with the places of any of which one
// serves.
var expected = []struct {
	what, without, flag string
	places              []string
}{
	{"a shell", "docker exec finds no sh, system() and popen() fail, and so do scripts that begin with #!/bin/sh", "--bin sh", []string{"/bin/sh"}},
	{"authorities (CA certificates)", "TLS refuses every server: certificate signed by unknown authority", "--with certs", []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	}},
	{"time zones", "TZ=Europe/Berlin is taken for UTC", "--with tz", []string{"/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/Etc/UTC"}},
	{"users and groups", "names of users are not known, and some programs want to know who they are", "no --bare", []string{"/etc/passwd"}},
	{"a folder for temporary files", "mktemp and whatever works like it fail", "no --bare", []string{"/tmp"}},
	{"where names are looked up", "glibc takes its own defaults: files for users, and for hosts DNS before /etc/hosts in old versions", "no --bare", []string{"/etc/nsswitch.conf"}},
	{"descriptions of terminals", "full-screen programs stop: unknown terminal type", "--with terminfo", []string{"/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo"}},
	{"locales", "there is C, and with glibc from 2.35 on C.UTF-8: LANG=de_DE.UTF-8 is ignored, with or without a warning", "--with locale", []string{"/usr/lib/locale"}},
	{"conversions between character sets", "iconv() knows few of them besides UTF-8", "--with gconv", []string{"/usr/lib/*/gconv", "/usr/lib/gconv", "/usr/lib64/gconv"}},
	{"the basic commands", "there is no ls, cat or cp to look around with", "--bin ls --bin cat", []string{"/bin/ls"}},
	{"records of packages", "scanners find no packages, and so no vulnerabilities", "--pkg-db all", []string{
		"/var/lib/dpkg/status", "/var/lib/dpkg/status.d", "/lib/apk/db/installed", "/usr/lib/apk/db/installed", "/var/lib/rpm", "/usr/lib/sysimage/rpm", "/var/lib/pacman/local",
	}},
	{"its system's name", "programs cannot tell which distribution they are from", "no --bare", []string{"/etc/os-release", "/usr/lib/os-release"}},
}

// facts returns what an image has of what is often missed.
func facts(root *rootfs.Tree) []fact {
	var list []fact
	for _, x := range expected {
		f := fact{What: x.what, Without: x.without, Flag: x.flag}
		for _, place := range x.places {
			if f.Found == "" {
				f.Found = there(root, place)
			}
		}
		list = append(list, f)
	}
	return list
}

// there returns the path that a pattern is of, "" if it is of none.
func there(root *rootfs.Tree, pattern string) string {
	dir, base := path.Split(pattern)
	if path.Base(path.Clean(dir)) != "*" {
		if _, err := fs.Stat(root, pattern[1:]); err != nil {
			return ""
		}
		return pattern
	}
	above := path.Dir(path.Clean(dir))
	list, err := fs.ReadDir(root, above[1:])
	if err != nil {
		return ""
	}
	for _, d := range list {
		if found := there(root, path.Join(above, d.Name(), base)); found != "" {
			return found
		}
	}
	return ""
}
