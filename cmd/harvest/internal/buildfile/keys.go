package buildfile

import (
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/spelling"
)

// A Key is one thing that a file can say.
type Key struct {
	Path  string // the names on the way to it: "image.tags"
	Flag  string // what says it on a command line, without dashes: "tag"
	Form  Form
	About string // what it says, in a line
	Like  string // an example of a value, as a file has it
}

// A Form is what the value of a key looks like.
type Form int

// The forms. A list is one flag for each element.
const (
	Text    Form = iota // a scalar
	Switch              // true or false
	List                // a list of scalars
	Pairs               // a mapping, or a list of NAME=VALUE
	Command             // words, or a list of them
	Path                // a file or folder of this machine
	Paths               // a list of such
	Image               // an archive or folder of this machine, or a name in a registry
	Output              // a file of this machine, or TYPE and DEST
	Folders             // a list of folders of the root
	Inputs              // a list of SRC[:DST] or {src: SRC, dest: DST, exclude: [PATTERN]}
	Bins                // a list of SRC[:DST] or {path: SRC, dest: DST}, where SRC may be a bare name
	NewDirs             // a list of DIR[:MODE[:UID[:GID]]] or {path: DIR, type: directory, mode: MODE, uid: UID, gid: GID}
	Users               // a list of NAME[:UID[:GID[:HOME[:SHELL]]]] or {name: NAME, uid: UID, gid: GID, home: DIR, shell: FILE}
)

// keys are all that there are, in the order in which a file is written.
var keys = []Key{
	{"image.tags", "tag", List, "names of the image", "[tools:v1]"},
	{"image.entrypoint", "entrypoint", Command, "what runs; without it, the first program", "[/bin/bash]"},
	{"image.cmd", "cmd", Command, "what it gets unless docker run has others", `[-c, "echo hello"]`},
	{"image.env", "env", Pairs, "variables of its environment", "{LANG: C.UTF-8}"},
	{"image.workdir", "workdir", Text, "where it starts", "/srv"},
	{"image.user", "user", Text, "who it runs as, USER[:GROUP]", "nonroot"},
	{"image.labels", "label", Pairs, "labels of the image", "{team: tools}"},
	{"image.expose", "expose", List, "ports that it listens on, PORT[/PROTO]", "[8080, 53/udp]"},
	{"image.volumes", "volume", List, "where engines mount volumes", "[/data]"},
	{"image.stop_signal", "stop-signal", Text, "what ends it", "SIGINT"},
	{"image.healthcheck.test", "healthcheck", Command, "what tells whether a container is well", "[/bin/check, -q]"},
	{"image.healthcheck.interval", "health-interval", Text, "how long between two checks", "30s"},
	{"image.healthcheck.timeout", "health-timeout", Text, "how long until a check has failed", "30s"},
	{"image.healthcheck.start_period", "health-start-period", Text, "how long from the start failures do not count", "5s"},
	{"image.healthcheck.retries", "health-retries", Text, "how many failures in a row make a container unhealthy", "3"},
	{"image.author", "author", Text, "who made the image", "Jane Doe <jane@example.com>"},
	{"image.created", "created", Text, "when it was made", "2026-01-31T12:00:00Z"},
	{"from", "from", Image, "a base that it is put upon", "./base.tar"},
	{"root", "root", Path, "the root that everything is taken from", "/"},
	{"platform", "platform", Text, "what programs must be for", "linux/arm64"},
	{"binaries", "bin", Bins, "programs with all that they need: names, paths, SRC:DST", "[bash, {path: ./app, dest: /usr/bin/app}]"},
	{"packages", "pkg", List, "installed packages, with all that their programs need: NAME[:ARCH]", "[ca-certificates]"},
	{"packages_of", "pkg-of", Bins, "programs, and what their packages have beside other programs", "[vim]"},
	{"files", "add", Inputs, "files and folders as they are: SRC[:DST]", "[./motd:/etc/motd]"},
	{"paths", "mkdir", NewDirs, "empty folders: DIR[:MODE[:UID[:GID]]]", `[{path: /var/cache/app, mode: "0750", uid: 10000}]`},
	{"users", "user-entry", Users, "users that passwd and group have: the host's, NAME, or new ones, NAME:UID[:GID[:HOME[:SHELL]]]", "[tcpdump, {name: app, uid: 10000}]"},
	{"exclude", "exclude", List, "what to leave out of files", `["*.bak", /usr/share/doc]`},
	{"with", "with", List, "what programs need beside libraries, by the names of recipes", "[certs, tz]"},
	{"without", "without", List, "what is not wanted of that", "[terminfo]"},
	{"recipes", "recipes", Paths, "folders with recipes of your own", "[./recipes]"},
	{"no_setuid", "no-setuid", Switch, "take setuid, setgid and capabilities from files", "true"},
	{"layout", "layout", Text, "host: where the host has things; flat: in /bin and /lib64", "host"},
	{"bare", "bare", Switch, "only programs, libraries and /dev", "true"},
	{"library_path", "library-path", Folders, "more places to look for libraries", "[/opt/app/lib]"},
	{"dlopen", "dlopen", Text, "how far to follow what programs say they open later", "recommended"},
	{"pkg_db", "pkg-db", Text, "record packages for scanners: auto, all or none", "auto"},
	{"hwcaps", "hwcaps", Text, "libraries for better processors, too: baseline or all", "baseline"},
	{"checks", "check", List, "commands that must succeed in the image", `["curl --version"]`},
	{"check_timeout", "check-timeout", Text, "how long each may take", "1m"},
	{"break", "break", Text, "what is to be broken on purpose, to show what that leads to", "loader"},
	{"output.file", "output", Output, "what to write", "tools.tar"},
	{"output.format", "format", Text, "archive, docker or v1", "archive"},
	{"output.compress", "compress", Text, "how layers are compressed: none, gzip or zstd, with :LEVEL", "zstd"},
	{"output.layers", "layers", Text, "what is a layer of its own", "libs"},
	{"output.report", "report", Path, "a page about the image for a browser", "tools.html"},
	{"output.by_hand", "by-hand", Path, "a script that makes the same image by hand", "tools.sh"},
	{"output.max_size", "max-size", Text, "the most bytes that the image may hold", "120MB"},
}

// Keys returns all keys that a file can have, but include, in the order in which
// it is written.
func Keys() []Key { return slices.Clone(keys) }

// include is the key that stands for no flag.
const include = "include"

// find returns the key of a path, nil if there is none.
func find(path string) *Key {
	for i := range keys {
		if keys[i].Path == path {
			return &keys[i]
		}
	}
	return nil
}

// below returns the names of keys in a section, "" for the top.
func below(section string) []string {
	var names []string
	if section == "" {
		names = append(names, include)
	}
	for _, k := range keys {
		if rest, ok := strings.CutPrefix(k.Path, section); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// nearest returns what the name of an unknown key in a section may have been
// meant for, "" if nothing is near: a key elsewhere, a flag, or what is written
// nearly so.
func nearest(section, name string) string {
	for _, k := range keys {
		if k.Flag == name || k.Path[strings.LastIndexByte(k.Path, '.')+1:] == name {
			return k.Path
		}
	}
	best, least := "", 1+len(name)/3
	for _, known := range below(section) {
		if d := spelling.Distance(name, known); d <= least {
			best, least = section+known, d-1
		}
	}
	return best
}
