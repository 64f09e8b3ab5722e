package plan

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
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

// switchers are the functions with which a program looks for the account that it
// goes on as.
var switchers = []string{"getpwnam", "getpwnam_r", "initgroups", "setgroups"}

// ownUser takes in the account that is called like a program which looks
// accounts up, or like its package: it goes on as that when it has begun as root.
func (p *pantry) ownUser(s sight) {
	if !slices.ContainsFunc(s.symbols, func(name string) bool { return slices.Contains(switchers, name) }) {
		return
	}
	users, _ := p.hostAccounts()
	names := []string{path.Base(s.path), "_" + path.Base(s.path)}
	if d := strings.TrimSuffix(path.Base(s.path), "d"); d != path.Base(s.path) {
		names = append(names, d)
	}
	for _, name := range names {
		if name != "" && find(users, 0, name) != "" {
			p.users = append(p.users, name)
		}
	}
}

// An accountSetting is a line of a configuration that says who a program is to
// run as: "user www-data;", "User=messagebus", "runas_default nobody".
var accountSetting = regexp.MustCompile(`(?mi)^[ \t]*(user|group|run_?as(?:_?user)?|setuid|setgid|setuser|username)[ \t]*[=: \t][ \t]*"?([a-z_][a-z0-9_-]*)"?[ \t]*;?[ \t]*(?:([a-z_][a-z0-9_-]*)[ \t]*;)?[ \t]*$`)

// configured looks for accounts in a file if it is one of configuration.
func (p *pantry) configured(name string) {
	if !strings.HasPrefix(name, "/etc/") {
		return
	}
	real, err := p.host.RealPath(name)
	if err != nil {
		return
	}
	if e, err := p.host.Entry(real); err == nil && e.Mode.IsRegular() {
		p.mentioned(e)
	}
}

// mentioned takes in the accounts that a file of configuration names.
func (p *pantry) mentioned(e *rootfs.Entry) {
	const largest = 1 << 18
	if e.Size > largest {
		return
	}
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
