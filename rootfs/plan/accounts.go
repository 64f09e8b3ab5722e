package plan

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

// Accounts are the host's, read when they are needed.
type accounts struct {
	users, groups string
	read          bool
}

// hostAccounts returns the host's passwd and group. A root without them has none.
func (p *pantry) hostAccounts() (users, groups string) {
	if !p.accounts.read {
		p.accounts.read = true
		for file, text := range map[string]*string{"etc/passwd": &p.accounts.users, "etc/group": &p.accounts.groups} {
			if data, err := fs.ReadFile(p.host, file); err == nil {
				*text = string(data)
			}
		}
	}
	return p.accounts.users, p.accounts.groups
}

// ownUser takes in the account that is called like a program, or like its package:
// it goes on as that when it has begun as root, or is meant to begin so.
func (p *pantry) ownUser(program string, holders []*owner.Package) {
	base := path.Base(program)
	names := []string{base, "_" + base, strings.TrimSuffix(base, "d")}
	for _, pkg := range holders {
		names = append(names, pkg.Name, pkg.Source)
	}
	users, _ := p.hostAccounts()
	for _, name := range unique(names) {
		if name != "" && name != "root" && find(users, 0, name) != "" && !slices.Contains(p.users, name) {
			p.users = append(p.users, name)
		}
	}
}

// An accountSetting is a line of a configuration that says who a program is to
// run as: "user www-data;", "User=messagebus", "runas_default nobody".
var accountSetting = regexp.MustCompile(`(?mi)^[ \t]*(user|group|run_?as(?:_?user)?|setuid|setgid|setuser|username)[ \t]*[=: \t][ \t]*"?([a-z_][a-z0-9_-]*)"?[ \t]*;?[ \t]*(?:([a-z_][a-z0-9_-]*)[ \t]*;)?[ \t]*$`)

// configured looks for accounts in a file if it is one of configuration, and notes
// it: it may name more.
func (p *pantry) configured(name string) {
	real, err := p.host.RealPath(name)
	if err != nil {
		return
	}
	e, err := p.host.Entry(real)
	if err != nil || !e.Mode.IsRegular() || !isSetting(name, e) && !isSetting(real, e) {
		return
	}
	p.mentioned(e)
	if !p.known[real] {
		p.known[real] = true
		p.settings = append(p.settings, sight{path: real, text: true})
	}
}

// isSetting reports whether a file is a configuration that people write.
func isSetting(name string, e *rootfs.Entry) bool {
	const largest = 1 << 16
	if !strings.HasPrefix(name, "/etc/") || e.Size > largest {
		return false
	}
	switch path.Ext(name) {
	case ".crt", ".pem", ".cache":
		return false
	}
	return true
}

// mentioned takes in the accounts that a file of configuration names.
func (p *pantry) mentioned(e *rootfs.Entry) {
	data, err := fs.ReadFile(p.host, e.Source[1:])
	if err != nil {
		return
	}
	for _, m := range accountSetting.FindAllSubmatch(data, -1) {
		users, groups := p.hostAccounts()
		name := string(m[2])
		if find(users, 0, name) != "" {
			p.users = append(p.users, name)
		} else if find(groups, 0, name) != "" {
			p.groups = append(p.groups, name)
		}
		if group := string(m[3]); group != "" && find(groups, 0, group) != "" {
			p.groups = append(p.groups, group)
		}
	}
}

// staff returns the lines of the host's passwd and group that the tree's files
// need beside those it has: for their owners, and for the accounts that recipes
// want.
func (b *builder) staff(users, groups string) (moreUsers, moreGroups string) {
	if b.spec.Bare {
		return "", ""
	}
	hostUsers, hostGroups := b.pantry.hostAccounts()
	addGroup := func(field int, value string) {
		line := find(hostGroups, field, value)
		name, _, _ := strings.Cut(line, ":")
		if line != "" && find(groups+moreGroups, 0, name) == "" && find(groups+moreGroups, field, value) == "" {
			moreGroups += withoutMembers(line)
		}
	}
	addUser := func(field int, value string) {
		line := find(hostUsers, field, value)
		name, _, _ := strings.Cut(line, ":")
		if line == "" || find(users+moreUsers, 0, name) != "" || find(users+moreUsers, field, value) != "" {
			return
		}
		moreUsers += publicUser(line, false)
		if f := strings.Split(line, ":"); len(f) > 3 {
			addGroup(2, f[3])
		}
	}
	for _, name := range b.pantry.users {
		addUser(0, name)
	}
	for _, name := range b.pantry.groups {
		addGroup(0, name)
	}
	uids, gids := b.owners()
	for _, uid := range uids {
		addUser(2, strconv.Itoa(uid))
	}
	for _, gid := range gids {
		addGroup(2, strconv.Itoa(gid))
	}
	return moreUsers, moreGroups
}

// withoutMembers returns a line of a group without its members: who they are on
// the host is nobody's matter.
func withoutMembers(line string) string {
	f := strings.SplitN(strings.TrimSpace(line), ":", 4)
	if len(f) < 4 {
		return line
	}
	return f[0] + ":x:" + f[2] + ":\n"
}

// owners returns the numbers of users and groups that own something of what is
// shipped, but for root. What a base calls its own is for the base to say.
func (b *builder) owners() (uids, gids []int) {
	for e := range b.tree.All() {
		if b.tree.InBase(e.Path) {
			continue
		}
		if e.UID != 0 {
			uids = append(uids, e.UID)
		}
		if e.GID != 0 {
			gids = append(gids, e.GID)
		}
	}
	slices.Sort(uids)
	slices.Sort(gids)
	return slices.Compact(uids), slices.Compact(gids)
}

// shadow returns a file that has every account and lets none log in with a
// password (shadow(5)).
func shadow(users string) string {
	var b strings.Builder
	for line := range strings.Lines(users) {
		if name, _, ok := strings.Cut(line, ":"); ok && name != "" {
			b.WriteString(name + ":*:19000:0:99999:7:::\n")
		}
	}
	return b.String()
}

// addShadow adds a generated /etc/shadow if a recipe wants one.
func (b *builder) addShadow(users, groups string) error {
	const file = "/etc/shadow"
	if b.pantry == nil || !b.pantry.shadow || b.taken(file) {
		return nil
	}
	e := rootfs.File(file, 0o640, []byte(shadow(users))).For(rootfs.Reason{Kind: "generated", Text: "accounts without passwords"})
	if f := strings.Split(find(groups, 0, "shadow"), ":"); len(f) > 2 {
		gid, _, err := number(f[2])
		if err != nil {
			return err
		}
		e.GID = gid
	}
	return b.tree.Add(e)
}
