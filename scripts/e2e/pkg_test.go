package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packageOf returns the package of a program of this machine, as dpkg says.
func (w *work) packageOf(program string) string {
	w.t.Helper()
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		w.t.Skip(err)
	}
	for _, name := range []string{real, strings.TrimPrefix(real, "/usr")} { // lists have both spellings
		if out, err := exec.CommandContext(w.t.Context(), "dpkg", "-S", name).Output(); err == nil {
			pkg, _, _ := strings.Cut(string(out), ":")
			return pkg
		}
	}
	w.t.Skipf("no package of dpkg has %s", real)
	return ""
}

// Docker lets every user send pings by default; without that, it is the file's
// capability that counts.
func TestAPackagesCapabilityCounts(t *testing.T) {
	need(t, "docker", "root", "ping")
	w := newWork(t)
	w.build("--pkg", w.packageOf("/usr/bin/ping"), "--entrypoint", "ping")
	w.load("docker", "image.tar")
	ping := []string{"--user", "1000", "--sysctl", "net.ipv4.ping_group_range=1 0", w.image, "-c1", "127.0.0.1"}
	contains(t, "ping", w.start("docker", ping...), "1 received")

	w.build("--pkg", w.packageOf("/usr/bin/ping"), "--entrypoint", "ping", "--no-setuid")
	w.load("docker", "image.tar")
	out, err := w.command("docker", append([]string{"run", "--rm", "--network", "none"}, ping...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "ermitted") {
		t.Errorf("ping without a capability: %v\n%s", err, out)
	}
}

func TestSetuidCountsUnlessItIsTaken(t *testing.T) {
	need(t, "docker", "root", "id")
	w := newWork(t)
	w.run("cp", "/usr/bin/id", "id") // busybox would give privileges up itself
	w.run("chmod", "4755", "id")
	for flag, want := range map[string]string{"--no-setuid=false": "0\n", "--no-setuid": "1000\n"} {
		w.build("--bin", "./id:/bin/id", flag)
		w.load("docker", "image.tar")
		equal(t, flag, w.start("docker", "--user", "1000", w.image, "-u"), want)
	}
}

func TestNamesOfOneFileStayOne(t *testing.T) {
	need(t, "docker", "perl")
	w := newWork(t)
	names, err := filepath.Glob("/usr/bin/perl5.*[0-9]")
	if err != nil || len(names) == 0 {
		t.Skip("perl has no second name here")
	}
	w.build("--pkg", w.packageOf("/usr/bin/perl"), "--entrypoint", "perl")
	w.load("docker", "image.tar")
	got := w.start("docker", w.image, "-e", `print join " ", map { my @s = stat; $s[3] } @ARGV; print +(stat $ARGV[0])[1] == (stat $ARGV[1])[1]`, "/usr/bin/perl", names[0])
	equal(t, "links of perl, and whether it is one file", got, "2 21")
}

// Alternatives are chains of links that no package has. Both spellings of a merged
// /usr lead to them.
func TestAlternativesComeWithTheirPackage(t *testing.T) {
	need(t, "docker", "bash")
	for _, name := range []string{"awk", "vi", "nc", "java"} {
		t.Run(name, func(t *testing.T) {
			w := newWork(t)
			chain := "/usr/bin/" + name
			if to, err := os.Readlink(chain); err != nil || to != "/etc/alternatives/"+name {
				t.Skipf("%s is no alternative here", chain)
			}
			program := w.packageOf(chain)
			if name == "java" {
				contains(t, "ls", w.run("harvest", "ls", "--bin", "java", "--without", "own"), "/usr/bin/java -> /etc/alternatives/java", "/etc/alternatives/java -> /usr/lib/jvm/")
				return
			}
			w.build("--bin", "bash", "--pkg", program)
			w.load("docker", "image.tar")
			got := w.start("docker", w.image, "-c", "[[ -x /bin/"+name+" && -x /usr/bin/"+name+" && -L /etc/alternatives/"+name+" ]] && type -P "+name)
			equal(t, "type -P "+name, got, chain+"\n")
		})
	}
}

// What a program is called says what it does.
func TestAProgramKeepsItsName(t *testing.T) {
	need(t, "docker", "redis-server")
	w := newWork(t)
	w.build("--bin", "redis-server")
	w.load("docker", "image.tar")
	contains(t, "redis-server", w.start("docker", w.image, "--version"), "Redis server v=")
}

func TestAUserThatIsMadeUp(t *testing.T) {
	need(t, "docker", "podman", "busybox")
	w := newWork(t)
	w.build("--bin", "busybox", "--user-entry", "app:10000:10000:/srv/app", "-u", "app", "-w", "/srv/app")
	for _, engine := range []string{"docker", "podman"} {
		w.load(engine, "image.tar")
		got := w.start(engine, "--entrypoint", "/usr/bin/busybox", w.image, "sh", "-c", "id; touch file && stat -c '%U:%G' file; echo $HOME")
		equal(t, engine, got, "uid=10000(app) gid=10000(app) groups=10000(app)\napp:app\n/srv/app\n")
	}
}

// The authorities are no file of the package: its installation makes them.
func TestCertificatesComeWithTheirPackage(t *testing.T) {
	need(t, "docker", "busybox")
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); err != nil {
		t.Skip(err)
	}
	w := newWork(t)
	w.build("--bin", "busybox", "--pkg", "ca-certificates")
	w.load("docker", "image.tar")
	equal(t, "bundle", w.start("docker", w.image, "sha256sum", bundle), strings.TrimSuffix(w.run("sha256sum", bundle), "\n")+"\n")
}

// A package of rpm, built and installed by rpm.
func TestAPackageOfRpm(t *testing.T) {
	need(t, "rpm", "rpmbuild", "busybox", "docker")
	w := newWork(t)
	w.write("tool.spec", `
Name: tool
Version: 1
Release: 2
Summary: A tool
License: MIT
AutoReqProv: no
%global debug_package %{nil}
%description
It is.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/tool %{buildroot}/usr/share/man/man1 %{buildroot}/etc %{buildroot}/var/lib/tool
cp /bin/busybox %{buildroot}/usr/bin/tool
ln -s tool %{buildroot}/usr/bin/cat
echo data >%{buildroot}/usr/share/tool/data
echo conf >%{buildroot}/etc/tool.conf
echo manual >%{buildroot}/usr/share/man/man1/tool.1
%files
%attr(0750, root, root) /usr/bin/tool
/usr/bin/cat
/usr/share/tool
/usr/share/man/man1/*
%config(noreplace) /etc/tool.conf
%dir %attr(0700, root, root) /var/lib/tool
`)
	w.run("rpmbuild", "--quiet", "-bb", "--define", "_topdir "+w.path("build"), "tool.spec")
	w.run("mkdir", "root")
	w.shell("rpm --root " + w.path("root") + " --dbpath /var/lib/rpm -i --nodeps --noscripts build/RPMS/*/*.rpm")
	w.run("ln", "-s", "tool", "root/usr/bin/ls") // which no package has
	out := w.run("harvest", "ls", "--root", "root", "--pkg", "tool")
	contains(t, "ls", out, "-rwxr-x---", "/usr/bin/cat -> tool", "/usr/bin/ls -> tool", "/etc/tool.conf", "/usr/share/tool/data", "drwx------")
	if strings.Contains(out, "/man/") {
		t.Errorf("the manual is there:\n%s", out)
	}
	w.run("harvest", "--root", "root", "--pkg", "tool", "--entrypoint", "cat", "-t", w.image, "-o", "image.tar", "-q")
	w.load("docker", "image.tar")
	equal(t, "cat", w.start("docker", w.image, "/usr/share/tool/data", "/etc/tool.conf"), "data\nconf\n")
}
