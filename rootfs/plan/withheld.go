package plan

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"path"
	"strings"

	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// withheld reports whether a path is never brought, whatever names it: nobody
// runs it, or it is nobody's but the host's.
func withheld(name string) bool {
	for _, pattern := range []string{
		"/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/locale", "/usr/share/lintian", "/usr/share/help",
		"/usr/share/gtk-doc", "/usr/share/bash-completion", "/usr/share/zsh/vendor-completions", "/usr/share/fish/vendor_completions.d",
		"/etc/init.d", "/etc/rc?.d", "/etc/init", "/etc/cron*", "/etc/logrotate.d", "/etc/apparmor.d", "/etc/systemd/system", "/etc/systemd/user",
	} {
		if recipe.Match(pattern, name) {
			return true
		}
	}
	return isHosts(name)
}

// isHosts reports whether a path is nobody's but the host's: secrets, what engines
// mount, and what programs and people have left behind.
func isHosts(name string) bool {
	for _, pattern := range []string{
		"/etc/shadow*", "/etc/gshadow*", "/etc/ssl/private", "/etc/ssh/ssh_host_*", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname",
		"/etc/passwd*", "/etc/group*", "/etc/subuid*", "/etc/subgid*", "/etc/mtab", "/etc/machine-id", "/etc/.pwd.lock",
		"/etc/security/opasswd*", "/etc/ppp/*-secrets", "/etc/wireguard", "/etc/letsencrypt", "/etc/pki/private", "/etc/pki/tls/private",
		"/etc/NetworkManager/system-connections", "/etc/krb5.keytab", "/var/lib/private",
		"/root", "/home", "/proc", "/sys", "/dev", "/run", "/tmp", "/boot",
	} {
		if recipe.Match(pattern, name) {
			return true
		}
	}
	switch path.Ext(name) {
	case ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-bak", ".dpkg-tmp", ".ucf-old", ".ucf-dist", ".ucf-new",
		".rpmsave", ".rpmnew", ".rpmorig", ".apk-new", ".pacnew", ".pacsave", ".swp":
		return true
	}
	return strings.HasSuffix(name, "~")
}

// isByproduct reports whether a file is of no use to programs that run, by its
// name: it is for linking others.
func isByproduct(name string) bool { return path.Ext(name) == ".a" }

// mayBeELF reports whether a file may be a program or a library, by its name: most
// of what lies in folders of data says what it is.
func mayBeELF(name string) bool {
	switch path.Ext(name) {
	case ".py", ".pyc", ".pl", ".pm", ".pod", ".ph", ".al", ".h", ".c", ".txt", ".conf", ".html", ".xml", ".json", ".js", ".css", ".vim", ".png",
		".svg", ".gz", ".mo", ".po", ".tcl", ".rb", ".lua", ".el", ".elc", ".ttf", ".otf", ".afm", ".pfb", ".md", ".yaml", ".yml", ".crt", ".pem":
		return false
	}
	return true
}

// isELF reports whether a file begins as programs and libraries do, and those that
// are yet to be linked do not.
func (p *pantry) isELF(real string) bool {
	f, err := p.host.Open(real[1:])
	if err != nil {
		return false
	}
	defer f.Close()
	var head [elf.EI_NIDENT + 2]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:4]) != elf.ELFMAG {
		return false
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		order = binary.BigEndian
	}
	return elf.Type(order.Uint16(head[elf.EI_NIDENT:])) != elf.ET_REL
}
