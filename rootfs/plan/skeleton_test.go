package plan_test

import (
	"testing"
)

const (
	fixedUsers = `
		root:x:0:0:root:/root:/bin/sh
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
		nonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin
	`
	fixedGroups = `
		root:x:0:
		nogroup:x:65534:
		nonroot:x:65532:
	`
)

func TestTheSkeletonIsWhatProgramsExpect(t *testing.T) {
	p := makePlan(t, onDisk(t, merged), "--bin init")
	same(t, listing(p), `
		/bin -> usr/bin
		/dev dir 0755
		/etc dir 0755
		/etc/group file 0644
		/etc/nsswitch.conf file 0644
		/etc/os-release -> ../usr/lib/os-release
		/etc/passwd file 0644
		/lib -> usr/lib
		/lib64 -> usr/lib64
		/proc dir 0755
		/root dir 0700
		/run dir 0755
		/sbin -> usr/sbin
		/sys dir 0755
		/tmp dir 1777
		/usr dir 0755
		/usr/bin dir 0755
		/usr/lib dir 0755
		/usr/lib/os-release file 0644
		/usr/lib64 dir 0755
		/usr/sbin dir 0755
		/usr/sbin/init file 0755
		/var dir 0755
		/var/tmp dir 1777
	`)
	same(t, read(t, p.Tree, "etc/os-release"), "ID=test")
	same(t, read(t, p.Tree, "etc/passwd"), fixedUsers)
	same(t, read(t, p.Tree, "etc/group"), fixedGroups)
	same(t, read(t, p.Tree, "etc/nsswitch.conf"), "passwd: files\ngroup: files\nshadow: files\nhosts: files dns")
}

func TestTheSkeletonTakesAHostAsItIs(t *testing.T) {
	p := makePlan(t, onDisk(t, plainRoot), "--bin app")
	same(t, below(listing(p), "/bin", "/sbin", "/lib", "/etc", "/usr"), `
		/bin dir 0755
		/bin/app file 0755
		/etc dir 0755
		/etc/group file 0644
		/etc/ld.so.cache file 0644
		/etc/nsswitch.conf file 0644
		/etc/passwd file 0644
		/lib64 dir 0755
		/lib64/ld.so file 0755
		/lib64/libb.so file 0755
		/usr dir 0755
		/usr/lib64 dir 0755
		/usr/lib64/liba.so file 0755
	`)
}

func TestABareImageHasNoSkeletonButDev(t *testing.T) {
	p := makePlan(t, onDisk(t, merged), "--bin init --bare")
	same(t, listing(p), `
		/dev dir 0755
		/usr dir 0755
		/usr/sbin dir 0755
		/usr/sbin/init file 0755
	`)
}

func TestWhatTheUserAddsWinsOverTheSkeleton(t *testing.T) {
	host := onDisk(t, merged+`
		/my/passwd         text "me:x:5:5::/:/x\n"
		/my/etc/os-release -> /gone
		/my/etc/group      text "us:x:6:\n"
		/my/tmp/file       text x
		/my/lib            dir
	`)
	p := makePlan(t, host, "--bin init --add /my/passwd:/etc/passwd --add /my/etc:/etc --add /my/tmp/file:/var/tmp/file"+
		" --add /my/lib:/lib -u me:us")
	same(t, read(t, p.Tree, "etc/passwd"), "me:x:5:5::/:/x")
	same(t, read(t, p.Tree, "etc/group"), "us:x:6:")
	same(t, below(listing(p), "/etc/os-release", "/var/tmp", "/lib "), `
		/etc/os-release -> /gone
		/lib -> usr/lib
		/var/tmp dir 1777
		/var/tmp/file file 0644
	`)
	same(t, read(t, p.Tree, "etc/nsswitch.conf"), "passwd: files\ngroup: files\nshadow: files\nhosts: files dns")
}

func TestNamedUsersAreCopiedFromTheHost(t *testing.T) {
	host := onDisk(t, merged)
	for _, tt := range []struct{ user, users, groups string }{
		{"", "", ""},
		{"0", "", ""},
		{"1000:1000", "", ""},
		{"nonroot", "", ""},
		{"root:nogroup", "", ""},
		{"www", "www:x:33:34::/var/www:/x", "web:x:34:"},
		{"www:web", "www:x:33:34::/var/www:/x", "web:x:34:"},
		{"www:adm", "www:x:33:34::/var/www:/x", "web:x:34:\nadm:x:4:"},
		{"www:0", "www:x:33:34::/var/www:/x", "web:x:34:"},
		{"1000:adm", "", "adm:x:4:"},
		{":adm", "", "adm:x:4:"},
		{"odd", "odd:x:7:65534::/:/x", ""}, // its group has a fixed name
	} {
		for _, layout := range []string{"host", "flat"} {
			line := "--bin init --layout " + layout
			if tt.user != "" {
				line += " -u " + tt.user
			}
			p := makePlan(t, host, line)
			t.Log(line)
			same(t, read(t, p.Tree, "etc/passwd"), fixedUsers+tt.users)
			same(t, read(t, p.Tree, "etc/group"), fixedGroups+tt.groups)
		}
	}
}

func TestAUserThatTheImageWouldNotKnowIsAnError(t *testing.T) {
	host := onDisk(t, merged+`
		/my/passwd  text "me:x:5:5::/:/x\n"
	`)
	for _, tt := range []struct{ line, want string }{
		{"-u who", `nobody in /etc/passwd is called "who"`},
		{"-u www:who", `nobody in /etc/group is called "who"`},
		{"-u 0:who", `nobody in /etc/group is called "who"`},
		{"-u www --add /my/passwd:/etc/passwd", `nobody in the image's /etc/passwd is called "www"`},
		{"--bare -u www", `nobody in a bare image (no /etc/passwd) is called "www"`},
		{"--bare -u root", `nobody in a bare image (no /etc/passwd) is called "root"`},
		{"--bare -u 0:web", `nobody in a bare image (no /etc/group) is called "web"`},
		{"-u :", `":" names neither a user nor a group`},
		{"-u -1", "user or group -1: numbers are 0 to 2147483647"},
		{"-u 2147483648", "user or group 2147483648: numbers are 0 to 2147483647"},
		{"-u 0:99999999999999999999", "user or group 99999999999999999999: numbers are 0 to 2147483647"},
		{"--bare -u 1:-1", "user or group -1: numbers are 0 to 2147483647"},
		{"-u www --add /my:/etc/passwd", `looking up "www" in the image: etc/passwd: is a directory`},
	} {
		err := makeError(t, host, "--bin init "+tt.line)
		if err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, err, tt.want)
		}
	}
	for _, line := range []string{"--bare -u 5", "--bare -u 5:6", "-u 2147483647:2147483647", "--bare --add /my/passwd:/etc/passwd -u me:6"} {
		makePlan(t, host, "--bin init "+line)
	}
	err := makeError(t, onDisk(t, plainRoot), "--bin app -u www")
	same(t, err.Error(), `looking up "www": /etc/passwd: no such file or directory`)
}
