package draft

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/rootfs"
)

func TestWhatIsPrivateIsNeverListed(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/shadow":                       secret,
		"/etc/ssl/private":                  secret,
		"/etc/ssl/private/ssl-cert.pem":     secret,
		"/etc/ssh/ssh_host_ed25519_key":     secret,
		"/etc/ssh/ssh_host_ed25519_key.pub": "",
		"/srv/app/.aws/config":              secret,
		"/srv/app/id_rsa":                   secret,
		"/srv/app/tls.key":                  secret,
		"/srv/app/.env":                     secret,
		"/home/me/.ssh/id_rsa":              secret,
		"/root/.netrc":                      secret,
		"/usr/lib/python3/id_map.py":        "",
		"/srv/.ssh/words.py":                secret,
		"/home/me/app.py":                   home,
		"/home":                             home,
		"/homes/x":                          "",
		"/root/x":                           home,
		"/users/me/x":                       home,
		"/proc/self/exe":                    system,
		"/dev/null":                         system,
		"/run/docker.sock":                  runtime,
		"/var/run/nscd/socket":              runtime,
		"/etc/resolv.conf":                  engine,
		"/etc/ld.so.cache":                  generated,
		"/tmp/x":                            temporary,
		"/var/log/app/log":                  temporary,
		"/srv/.cache/x":                     temporary,
		"/etc/machine-id":                   machine,
		"/etc/ssl/certs/ca.pem":             "",
		"/usr/bin/key":                      "",
	} {
		if got := denied(name, []string{"/users/me"}); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if why := denied("/srv/x", []string{"", "/"}); why != "" {
		t.Errorf("without a home, /srv/x is %q", why)
	}
}

func TestPrivateKeysAreFoundByTheirContents(t *testing.T) {
	dir := t.TempDir()
	for i, test := range []struct {
		text string
		want bool
	}{
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n", true},
		{"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\r\nMIIEow==\n", true},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", true},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", true},
		{"-----BEGIN CERTIFICATE-----\nMII\n", false},
		{"-----BEGIN PUBLIC KEY-----\nMII\n", false},
		{"if s == \"-----BEGIN PRIVATE KEY-----\" {\n\treturn f(\"x\")\n", false},
		{"", false},
	} {
		name := "f" + string(rune('a'+i))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(test.text), 0o666); err != nil {
			t.Fatal(err)
		}
		host, err := rootfs.OpenHost(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := holdsKey(host, "/"+name); got != test.want {
			t.Errorf("%q: %t, want %t", test.text, got, test.want)
		}
	}
}

func TestSecretsOfACommandLineAreHidden(t *testing.T) {
	for _, test := range []struct{ command, want string }{
		{"curl -u me:pw https://x/", "curl -u (hidden) https://x/"},
		{"curl https://me:pw@x/?a=1", "curl https://me:(hidden)@x/?a=1"},
		{"app --password=pw --user=me", "app --password=(hidden) --user=me"},
		{"app --api-key k --name n", "app --api-key (hidden) --name n"},
		{"app DB_PASSWORD=pw", "app DB_PASSWORD=(hidden)"},
		{"app DB_PASS=pw --pwd=pw --key k", "app DB_PASS=(hidden) --pwd=(hidden) --key (hidden)"},
		{"curl --user me:pw -ume:pw --proxy-user=me:pw x", "curl --user (hidden) -u(hidden) --proxy-user=(hidden) x"},
		{"openssl rsa -passin pass:pw -in x", "openssl rsa -passin (hidden) -in x"},
		{"/usr/bin/mysql -u me -ppw -p db", "/usr/bin/mysql -u me -p(hidden) -p (hidden)"},
		{"sshpass -p pw ssh x", "sshpass -p (hidden) ssh x"},
		{"mkdir -p x -u y --user z", "mkdir -p x -u y --user z"},
		{"python3 app.py -u", "python3 app.py -u"},
		{"/opt/token -v", "/opt/token -v"},
	} {
		command := strings.Fields(test.command)
		if got := strings.Join(redact(command), " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.command, got, test.want)
		}
	}
	if got := redact([]string{"curl", "-H", "Authorization: Bearer x"})[2]; got != hidden {
		t.Errorf("a header is shown: %s", got)
	}
}

// TestAnyNameComesBackFromTheFile writes drafts of awkward names, and reads them
// as a build does.
func TestAnyNameComesBackFromTheFile(t *testing.T) {
	names := []string{
		"/a b", "/a: b", "/a #b", "/-", "/true", "/'\"", "/\\n", "/\n", "/é\u2028", "/\x7f\x01", "/{a}", "/[a]", "/&a", "/*a", "/!a", "/%a", "/@a", "/`a", "/a,b", "/=",
		"/\U0001F33E",
	}
	d := &Draft{
		Origin:   Origin{Command: append([]string{"/bin/x", "-5", "0x10", "no", ""}, names...), Dir: "/a\nb"},
		Binaries: []string{"/bin/x", "/bin/\ny"},
		Groups:   []Group{{Package: "p"}},
		LeftOut:  []LeftOut{{secret, []string{"/\nbinaries: [/etc/shadow]"}}},
		Notes:    []string{"a\nroot: /x"},
	}
	for _, name := range names {
		d.Groups[0].Paths = append(d.Groups[0].Paths, Path{Name: name})
		if !strings.Contains(name, ":") { // Make has none such
			d.Folders = append(d.Folders, Folder{Path: "/dir" + name, Mode: os.ModeSticky | 0o1})
		}
	}
	var b bytes.Buffer
	if _, err := d.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	settings, err := buildfile.Read(buildfile.Stdin, &b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range settings {
		got[s.Flag] = append(got[s.Flag], s.Value(true, func(string) bool { return true }))
	}
	var dirs []string
	for _, f := range d.Folders {
		dirs = append(dirs, f.Path+":1001")
	}
	if !slices.Equal(got["mkdir"], dirs) {
		t.Errorf("folders\n%q, want\n%q", got["mkdir"], dirs)
	}
	if !slices.Equal(got["add"], names) {
		t.Errorf("files\n%q, want\n%q", got["add"], names)
	}
	if !slices.Equal(got["bin"], d.Binaries) {
		t.Errorf("binaries %q, want %q", got["bin"], d.Binaries)
	}
	if len(got) != 5 || len(got["entrypoint"]) != 1 {
		t.Errorf("settings %v", got)
	}
}

// TestADraftDependsOnTheLogAlone makes drafts of one log in two orders.
func TestADraftDependsOnTheLogAlone(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for _, name := range []string{"opt/a/1", "opt/a/2", "opt/a/3", "opt/a/4", "opt/b/x", "opt/c/y", "etc/shadow"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, "/"+name)
	}
	var want string
	for range 2 {
		log := &trace.Log{Accesses: []trace.Access{{Path: "/opt/a", Use: trace.Listed}, {Path: "/opt/b", Use: trace.Listed}}}
		for _, name := range names {
			log.Accesses = append(log.Accesses, trace.Access{Path: name, Use: trace.Read})
		}
		slices.Reverse(names)
		host, err := rootfs.OpenHost(dir)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Make(t.Context(), host, log, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := d.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = b.String()
		}
		if b.String() != want || !strings.Contains(want, "- /opt/a # a folder of 4 files") || strings.Contains(want, "- /etc/shadow") {
			t.Errorf("got\n%s\nwant\n%s", b.String(), want)
		}
	}
}

func TestArgumentsThatArePrivateAreLeftOut(t *testing.T) {
	for _, test := range []struct {
		arg, env string
		want     string
	}{
		{"error_log /dev/stderr;", "TZ=UTC", "  cmd: [\"error_log /dev/stderr;\"]\n  env:\n    TZ: \"UTC\"\n"},
		{"--in=/users/me/x", "", "  # cmd is left out: it names what is somebody's own\n"},
		{"cat '/srv/a.key'", "", "  # cmd is left out: it names what is somebody's own\n"},
		{"a\xff", "EDITOR=vi", "  # cmd is left out: it cannot be written in YAML\n"},
		{"--token=x", "PYTHONPATH=/opt:/users/me/lib", "  # cmd is left out: it may hold a secret\n"},
		{"x", "SECRET=x", "  cmd: [x]\n"},
	} {
		d := &Draft{Origin: Origin{Command: []string{"/bin/x", test.arg}, Dir: "/", Env: []string{test.env}, Home: "/users/me"}, Binaries: []string{"/bin/x"}}
		var b bytes.Buffer
		d.image(&b)
		if got, ok := strings.CutPrefix(b.String(), "\nimage:\n  entrypoint: [/bin/x]\n"); !ok || got != test.want {
			t.Errorf("%q: got\n%swant\n%s", test.arg, b.String(), test.want)
		}
	}
}
