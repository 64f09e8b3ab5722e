package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/user"
)

// A job is what the process that [Enter] takes over is to do. It gets it as
// JSON.
type job struct {
	Root     string
	View     string  // a folder beside Root for what is written, "" if that is Root itself
	Remove   bool    // remove all that is in Root, and do nothing else
	Owners   []owner // what staging could not set
	Files    []file  // what engines write into every root
	Args     []string
	Env      []string
	Dir      string
	UID, GID int
	Groups   []int // nil keeps those that there are
	HostIDs  bool  // there is no user namespace
	Hostname string
	Network  bool
	ReadOnly bool
	Terminal bool
	Volumes  []Volume
	Trace    time.Duration // how long to trace the command; 0 for not at all

	apart bool // nothing that the command writes is in Root
}

// An owner is who owns a path of the root, and what goes with that.
type owner struct {
	Path     string
	UID, GID int
	Mode     fs.FileMode
	XAttrs   map[string]string
}

// A file is one that a root gets, whatever it has there.
type file struct{ Path, Text string }

// The paths that a user finds a program in unless the image says otherwise:
// docker's.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// job returns what is to be done to run a command as a user, in a view of the
// root.
func (r *Root) job(c Command, who *user.ExecUser, view string) (job, error) {
	j := job{
		Root: r.dir, View: view, Args: c.Args, Env: slices.Clone(c.Env), Dir: c.Dir, UID: who.Uid, GID: who.Gid, Groups: []int{who.Gid},
		Hostname: c.Hostname, Network: c.Network, ReadOnly: c.ReadOnly, Terminal: c.Terminal,
	}
	for _, g := range who.Sgids {
		if g != who.Gid {
			j.Groups = append(j.Groups, g)
		}
	}
	if j.Hostname == "" {
		j.Hostname = DefaultHostname
	}
	j.setDefault("PATH", defaultPath)
	j.setDefault("HOSTNAME", j.Hostname)
	j.setDefault("HOME", who.Home)
	if c.Terminal {
		j.setDefault("TERM", "xterm")
	}
	for _, v := range c.Volumes {
		var err error
		if v.Source, err = filepath.Abs(v.Source); err != nil {
			return j, err
		}
		j.Volumes = append(j.Volumes, v)
	}
	j.Files = engineFiles(j.Hostname, c.Network)
	if os.Geteuid() != 0 {
		j.Owners = r.owners()
	}
	return j, nil
}

// setDefault sets a variable that the command lacks.
func (j *job) setDefault(name, value string) {
	if !slices.ContainsFunc(j.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
		j.Env = append(j.Env, name+"="+value)
	}
}

// engineFiles returns the files of /etc that engines write, whatever the image
// has: with the host's network what the host has in them.
func engineFiles(hostname string, network bool) []file {
	hosts, resolv := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", ""
	if network {
		if text, err := os.ReadFile("/etc/hosts"); err == nil {
			hosts = string(text)
		}
		if text, err := os.ReadFile("/etc/resolv.conf"); err == nil {
			resolv = string(text)
		}
	}
	return []file{
		{"/etc/hostname", hostname + "\n"},
		{"/etc/hosts", strings.TrimRight(hosts, "\n") + "\n127.0.0.1\t" + hostname + "\n"},
		{"/etc/resolv.conf", resolv},
	}
}

// owners lists what an ordinary user cannot set while it stages: owners and
// capabilities.
// Each name of a file is in the list, for overlayfs may part them.
func (r *Root) owners() []owner {
	var list []owner
	for e := range r.tree.All() {
		file := e
		if e.Hardlink != "" {
			file = r.tree.Entry(e.Hardlink)
		}
		if file.UID != 0 || file.GID != 0 || len(file.XAttrs) > 0 {
			list = append(list, owner{e.Path, file.UID, file.GID, file.Mode, file.XAttrs})
		}
	}
	return list
}
