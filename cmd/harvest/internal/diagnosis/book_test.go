package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func open(t *testing.T) *Book {
	t.Helper()
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every example is known for what it is an example of, every pattern has one, and
// every cause a message.
func TestEveryExampleIsRecognised(t *testing.T) {
	b := open(t)
	used := make(map[string]bool)
	for _, m := range b.Messages {
		fits := make([]bool, len(m.patterns))
		for _, like := range m.Like {
			found := b.Recognise("first line\n  " + like.Text + "\r\nlast line\n")
			if len(found) != 1 || found[0].Message != m {
				t.Errorf("%s, of %s: %q is taken for %s", m.Name, like.By, like.Text, names(found))
				continue
			}
			for i, re := range m.patterns {
				fits[i] = fits[i] || re.MatchString(like.Text)
			}
			for _, text := range []string{found[0].Explained(), found[0].Otherwise()} {
				complete(t, m.Name, text)
			}
			for _, p := range b.Possible(found[0]) {
				complete(t, m.Name+" "+p.Cause, p.Text)
				complete(t, m.Name+" "+p.Cause, p.Mend)
				complete(t, m.Name+" "+p.Cause, strings.ReplaceAll(p.Tell, "{{", "")) // of docker inspect
				used[p.Cause] = true
			}
		}
		for i, fit := range fits {
			if !fit {
				t.Errorf("%s: %s has no example", m.Name, m.Match[i])
			}
		}
		if m.Means == "" || len(m.Causes) == 0 || len(m.Like) == 0 {
			t.Errorf("%s lacks what it means, a cause or an example", m.Name)
		}
	}
	for name, c := range b.causes {
		if !used[name] {
			t.Errorf("no message is due to %s", name)
		}
		if c.Text == "" || c.Tell == "" || c.Mend == "" {
			t.Errorf("%s lacks a text", name)
		}
	}
	if len(b.Messages) < 25 || len(b.causes) < 35 {
		t.Errorf("only %d messages and %d causes", len(b.Messages), len(b.causes))
	}
}

func names(found []Match) string {
	var list []string
	for _, m := range found {
		list = append(list, m.Name)
	}
	return strings.Join(list, ", ")
}

// complete makes sure that a text has no place left to be filled.
func complete(t *testing.T, what, text string) {
	t.Helper()
	if hole := regexp.MustCompile(`\{[a-z]+\}`).FindString(text); hole != "" {
		t.Errorf("%s has %s in %q", what, hole, text)
	}
}

// What the message says stands in texts as it is.
func TestFillIsNotFooled(t *testing.T) {
	m := Match{&Message{}, "", map[string]string{"file": "{dir}", "dir": "{file}"}}
	if got := m.fill("{file} {dir} {name}"); got != "{dir} {file} it" {
		t.Errorf("got %s", got)
	}
}

func TestGroups(t *testing.T) {
	b := open(t)
	for line, want := range map[string]string{
		`OCI runtime create failed: exec: "/opt/app": stat /opt/app: no such file or directory: unknown`:                "no-command dir=/opt file=/opt/app",
		"exec container process `/bin/bash`: No such file or directory":                                                 "not-started dir=/bin file=/bin/bash",
		"/bin/bash: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /usr/lib/libtinfo.so.6)":                "version dir=/usr/lib file=/usr/lib/libtinfo.so.6 name=/lib/libc.so.6 version=GLIBC_2.38",
		"a: error while loading shared libraries: libz.so.1: cannot open shared object file: No such file or directory": "library file=a name=libz.so.1",
		"-bash: /start.sh: /bin/bash^M: bad interpreter: No such file or directory":                                     "not-started dir=/ file=/start.sh name=/bin/bash",
		"env: 'bash\\r': No such file or directory":                                                                     "env name=bash",
		"mktemp: failed to create file via template ‘/var/tmp/tmp.XXX’: No such file or directory":                      "tmp dir=/var/tmp file=/var/tmp/tmp.XXX",
		"cat: /etc/app.conf: No such file or directory":                                                                 "no-file dir=/etc file=/etc/app.conf",
		"nginx: [emerg] open() \"/run/nginx/nginx.pid\" failed (2: No such file or directory)":                          "no-file dir=/run/nginx file=/run/nginx/nginx.pid",
		"tput: unknown terminal \"xterm-256color\"":                                                                     "terminfo term=xterm-256color",
		"tput: terminals database is inaccessible":                                                                      "terminfo term=xterm",
		"error while loading shared libraries":                                                                          "library ",
		"error while loading shared libraries: libz.so.1":                                                               "library name=libz.so.1",
		"error while loading shared libraries: libz.so.1: cannot open shared object file":                               "library name=libz.so.1",
		"error while loading shared libraries: libz.so.1: invalid ELF header":                                           "",
		"libc.so.6: version `GLIBC_2.38' not found":                                                                     "version version=GLIBC_2.38",
		"version GLIBC_2.38 not found":                                                                                  "version version=GLIBC_2.38",
		"exec format error":                                                                                             "format ",
		"all is well":                                                                                                   "",
	} {
		var got string
		for _, m := range b.Recognise(line) {
			got = m.Name
			var keys []string
			for name, value := range m.Groups {
				keys = append(keys, name+"="+value)
			}
			slices.Sort(keys)
			got += " " + strings.Join(keys, " ")
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

// Of a log, each message is told once.
func TestRecogniseReadsLogs(t *testing.T) {
	b := open(t)
	const log = "starting\nexec /a: no such file or directory\nexec /b: no such file or directory\nexec /a: no such file or directory\ncurl: (6) Could not resolve host: x\n"
	if got := names(b.Recognise(log)); got != "not-started, not-started, resolve" {
		t.Errorf("got %s", got)
	}
}
