package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/harvest-oci/harvest/rootfs"
)

// atRunTime is what is there only when a container runs.
var atRunTime = []string{"/proc", "/sys", "/dev", "/run", "/var/run", "/tmp", "/var/tmp"}

// link checks that a symbolic link leads somewhere.
func (c *checker) link(e *rootfs.Entry) {
	if e.Mode&fs.ModeSymlink == 0 {
		return
	}
	c.result.Links++
	at, err := c.Tree.RealPath(e.Path)
	switch {
	case err == nil:
		return
	case errors.Is(err, syscall.ELOOP):
		c.find(Link, e.Path, fmt.Sprintf("leads to %s and so in a circle", e.Link), "let it lead to the file that is meant")
		return
	}
	for _, dir := range atRunTime {
		if at == dir || strings.HasPrefix(at, dir+"/") {
			return
		}
	}
	text := fmt.Sprintf("leads to %s, which is not there", e.Link)
	if !path.IsAbs(e.Link) && path.Join(path.Dir(e.Path), e.Link) != at {
		text = fmt.Sprintf("leads to %s and so to %s, which is not there", e.Link, at)
	}
	c.find(Link, e.Path, text, c.mendLink(path.Base(e.Link)))
}

func (c *checker) mendLink(name string) string {
	if at := c.names[name]; at != "" && strings.Contains(name, ".so") { // other names mean little
		return fmt.Sprintf("there is %s, which may be what is meant; else add the target or remove the link", at)
	}
	return "add the target, or remove the link"
}

// privileged are programs that are of use to others than root only with these
// privileges.
var privileged = map[string]string{
	"arping":     "cap_net_raw",
	"clockdiff":  "cap_net_raw",
	"doas":       "",
	"dumpcap":    "cap_net_raw,cap_net_admin",
	"fping":      "cap_net_raw",
	"mtr-packet": "cap_net_raw",
	"newgidmap":  "cap_setgid",
	"newuidmap":  "cap_setuid",
	"ping":       "cap_net_raw",
	"pkexec":     "",
	"su":         "",
	"sudo":       "",
}

// privileges checks that a program that needs some has them.
func (c *checker) privileges(e *rootfs.Entry) {
	capabilities, known := privileged[path.Base(e.Path)]
	if !known || !executable(e) || e.Mode&fs.ModeSetuid != 0 || e.XAttrs[rootfs.Capability] != "" || !c.inPath(e.Path) {
		return
	}
	if capabilities == "" {
		c.find(Capabilities, e.Path, "is not setuid, without which it does nothing for others than root",
			"chmod u+s it, and pack it as root; if nobody needs it, leave it out")
		return
	}
	c.find(Capabilities, e.Path, fmt.Sprintf("has neither %s nor setuid, which others than root need to run it", capabilities),
		fmt.Sprintf("setcap %s+ep it, and pack it with what keeps capabilities: harvest does, docker COPY --from may not", capabilities))
}
