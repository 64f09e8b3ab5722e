package plan

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // what package managers have written down
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// A vault tells the files that are not for others than those who run the host.
//
// Such is one that bears the name of a secret or holds a private key. Below /usr,
// only packages put files, so that is all, and a key that everybody may read is
// none. Elsewhere, a file that not everybody may read is a secret, too, unless
// its package says that it is as it came; one that was changed since, if it sets
// a password or the like.
type vault struct {
	host   *rootfs.Host
	db     func() (*owner.Database, error)
	listed map[string][]*owner.Package // who lists private files
	asked  map[string]bool             // folders whose private files were looked up
}

func newVault(host *rootfs.Host, db func() (*owner.Database, error)) vault {
	return vault{host, db, make(map[string][]*owner.Package), make(map[string]bool)}
}

// What is said of files that may be secrets, see [several].
const (
	mayBeSecret  = "is left out: it may be a secret, or cannot be read"
	mayBeSecrets = "are left out: they may be secrets, or cannot be read"
)

// largestKey is how much of a file is searched for what makes it a secret.
const largestKey = 1 << 20

// isSecret reports whether a file or a folder is one, or may be, because it cannot
// be read.
func (v *vault) isSecret(e *rootfs.Entry) bool {
	private, machines := e.Mode&0o004 == 0, isMachines(e.Source)
	switch {
	case machines && HasSecretName(e.Source):
		return true
	case !e.Mode.IsRegular(), !private && !(machines && e.Size <= largestKey):
		return false
	}
	f, err := v.host.Open(e.Source[1:])
	if err != nil {
		return true
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestKey))
	if err != nil || mayHaveKey(data) && privateKey.Match(data) {
		return true
	}
	return private && machines && !v.isAsShipped(e, data)
}

// isAsShipped reports whether a private file is what its package has put there,
// or at least holds nothing that looks like a secret. Where there are no packages,
// that is all that can be said.
func (v *vault) isAsShipped(e *rootfs.Entry, data []byte) bool {
	db, err := v.db()
	if err != nil || len(db.Packages()) == 0 {
		return !secretSetting.Match(data)
	}
	holders := v.holders(db, e.Source)
	if len(holders) == 0 {
		return false
	}
	for _, pkg := range holders {
		files, err := pkg.Files()
		if err != nil {
			continue
		}
		for _, f := range files {
			if path.Base(f.Path) != path.Base(e.Source) {
				continue
			}
			if real, err := v.host.RealPath(f.Path); err == nil && real == e.Source && v.hasDigest(e.Source, f.Digest) {
				return true
			}
		}
	}
	return !secretSetting.Match(data)
}

// holders returns the packages that list a private file. It asks for all private
// files of the folder at once, since each time all lists are gone through.
func (v *vault) holders(db *owner.Database, name string) []*owner.Package {
	if dir := path.Dir(name); !v.asked[dir] {
		v.asked[dir] = true
		paths := []string{name}
		list, _ := v.host.ReadDir(strings.TrimPrefix(dir, "/")) // of which name is one in any case
		for _, f := range list {
			if info, err := f.Info(); err == nil && info.Mode().IsRegular() && info.Mode()&0o004 == 0 {
				paths = append(paths, path.Join(dir, f.Name()))
			}
		}
		listing, err := db.Listing(unique(paths)...)
		if err == nil {
			for name, packages := range listing {
				v.listed[name] = packages
			}
		}
	}
	return v.listed[name]
}

// hasDigest reports whether a file has one of the digests of [owner.File].
func (v *vault) hasDigest(name, digest string) bool {
	kind, want, _ := strings.Cut(digest, ":")
	var sum hash.Hash
	switch kind {
	case "md5":
		sum = md5.New() //nolint:gosec // see above
	case "sha1":
		sum = sha1.New() //nolint:gosec // see above
	case "sha256":
		sum = sha256.New()
	default:
		return false
	}
	f, err := v.host.Open(name[1:])
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = io.Copy(sum, f)
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == want
}

var (
	// privateKey finds one in the form of RFC 7468, be it in a text of JSON or YAML:
	// programs and manuals that only know the words go on otherwise.
	privateKey = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY( BLOCK)?-----(?:\s*(?:\n|$)|\\[nr]|[A-Za-z0-9+/]{16})|(?m:^\s*client-key-data:)`)

	// secretSetting finds a line that sets what only its reader is to know.
	secretSetting = regexp.MustCompile(`(?im)^[ \t"']*[\w.-]*(?:passw|passphrase|secret|token|api_?key|credential|requirepass|masterauth|private_?key|\bpsk)[\w.-]*["']?[ \t]*[=: \t][ \t]*\S|://[^/\s:@]+:[^/\s@]+@`)
)

// mayHaveKey reports whether it is worth to look for a private key, which few texts
// have.
func mayHaveKey(data []byte) bool {
	return bytes.Contains(data, []byte("PRIVATE KEY")) || bytes.Contains(data, []byte("client-key-data"))
}

// isMachines reports whether a path lies where a machine has its own files beside
// those of packages (FHS 3).
func isMachines(name string) bool {
	return !strings.HasPrefix(name, "/usr/") || strings.HasPrefix(name, "/usr/local/")
}

// HasSecretName reports whether a path is called what programs call their secrets,
// such as id_rsa, or is in a folder that is, such as .ssh.
func HasSecretName(name string) bool {
	return slices.ContainsFunc(secretNames[:], func(pattern string) bool { return recipe.Match(pattern, name) })
}

var secretNames = [...]string{
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf",
	".git-credentials", ".vault-token", ".htpasswd", ".env", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "ssh_host_*_key",
	"*.p12", "*.pfx", "*.jks", "*.kdbx", "*.keytab",
}
