package draft

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// Why a name is left out, as a heading.
const (
	system     = "Provided by the kernel and the engine"
	runtime    = "Of the running system, such as sockets"
	engine     = "Mounted by engines"
	generated  = "Written by harvest itself"
	home       = "In somebody's home"
	secret     = "Secrets, or what may be one"
	temporary  = "Temporary files, caches and logs"
	machine    = "Of this machine alone"
	made       = "Made or written by the command"
	notRegular = "Neither files nor folders nor links"
	browsed    = "Only looked at, in folders that were listed"
	gone       = "Gone, or not to be read"
	unwritable = "With a name that YAML cannot have, or that is taken for SRC:DST"
)

// A denial says why what is below a folder, or bears a name, is left out.
type denial struct {
	why     string
	below   []string // folders, with themselves
	files   []string // paths
	names   []string // patterns of path.Match for any component
	exempt  []string // patterns of the last component for which names do not count
	hasHome bool     // the user's own home counts, too
}

// denials are asked in order; what is a secret anywhere comes first, so that no
// other rule lists it with less care.
var denials = []denial{
	{why: secret,
		below:  []string{"/etc/ssl/private", "/etc/pki/private", "/etc/wireguard", "/etc/letsencrypt", "/etc/openvpn", "/var/lib/private"},
		files:  []string{"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/krb5.keytab", "/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets"},
		names:  []string{"id_*", "*.key"}, // and what plan.HasSecretName knows
		exempt: []string{"*.pub", "*.py", "*.pyc", "*.so", "*.pm", "*.h", "*.gpg.key"}},
	{why: system, below: []string{"/proc", "/sys", "/dev"}},
	{why: runtime, below: []string{"/run", "/var/run"}},
	{why: engine, files: []string{"/etc/resolv.conf", "/etc/hosts", "/etc/hostname"}},
	{why: home, below: []string{"/home", "/root"}, hasHome: true},
	{why: temporary, below: []string{"/tmp", "/var/tmp", "/var/log", "/var/cache"}, names: []string{".cache"}},
	{why: generated, files: []string{"/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"}},
	{why: machine, files: []string{"/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/fstab", "/etc/mtab"}},
}

// denied returns why a name is left out whatever is there, "" if it is not.
func denied(name string, homes []string) string {
	if plan.HasSecretName(name) {
		return secret
	}
	for _, d := range denials {
		if d.applies(name, homes) {
			return d.why
		}
	}
	return ""
}

func (d denial) applies(name string, homes []string) bool {
	dirs := d.below
	if d.hasHome {
		dirs = slices.Concat(dirs, homes)
	}
	if slices.ContainsFunc(dirs, func(dir string) bool { return isBelow(name, dir) }) || slices.Contains(d.files, name) {
		return true
	}
	last := path.Base(name)
	if matchesAny(d.exempt, last) {
		d.names = slices.DeleteFunc(slices.Clone(d.names), func(p string) bool { return strings.Contains(p, "*") })
	}
	for part := range strings.SplitSeq(name, "/") {
		if matchesAny(d.names, part) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return err == nil && ok
	})
}

// isBelow reports whether a name is a folder's own or below it.
func isBelow(name, dir string) bool {
	return dir != "" && dir != "/" && (name == dir || strings.HasPrefix(name, dir+"/"))
}

// holdsKey reports whether a file has a private key in it, in the form that
// RFC 7468 gives it, within its first mebibyte. What cannot be read may be one.
func holdsKey(host *rootfs.Host, name string) bool {
	f, err := host.Open(strings.TrimPrefix(name, "/"))
	if err != nil {
		return true
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return true
	}
	for len(data) > 0 {
		_, after, found := bytes.Cut(data, []byte("-----BEGIN "))
		if !found {
			return false
		}
		label, _, _ := bytes.Cut(after, []byte("-----"))
		if len(label) < 40 && bytes.HasSuffix(label, []byte("PRIVATE KEY")) && hasKeyLine(after[len(label):]) {
			return true
		}
		data = after
	}
	return false
}

// hasKeyLine reports whether a line of base64, or of a header, follows a label,
// which in a program that only knows the words it does not.
func hasKeyLine(data []byte) bool {
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	line = bytes.TrimSpace(line)
	return len(line) > 0 && !bytes.ContainsAny(line, "\"'()")
}

// isPackable reports whether something is a regular file, a folder or a link.
func isPackable(mode fs.FileMode) bool {
	return mode.IsRegular() || mode.IsDir() || mode&fs.ModeSymlink != 0
}
