package teach

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/harvest-oci/harvest/pack"
)

// A CannotError says why an image cannot be made by hand.
type CannotError struct{ Why string }

func (e *CannotError) Error() string { return "it cannot be made by hand: " + e.Why }

// Check returns a *[CannotError] if no script makes the image, as far as that is
// known before it is written: with layers of a base, which others have made, or
// with compressed ones, whose bytes no other compressor gives.
func Check(img *pack.Image, hasBase bool) error {
	switch {
	case hasBase:
		return &CannotError{"the layers of a base can only be copied"}
	case img.Compression != (pack.Compression{}):
		return &CannotError{"no other compressor gives the same bytes, and the digests would differ"}
	}
	return nil
}

// Script writes a script for a POSIX shell that makes the image again: each layer
// and the archive byte for byte, with the digests that the build has. Besides the
// shell it takes coreutils and GNU tar, and files where the host had them. It
// compares each file that it copies, and each digest, and stops where one is
// another.
//
// The contents of all files are read once. An image that no script can make is a
// *[CannotError].
func Script(ctx context.Context, w io.Writer, b *Build, l Language) error {
	if err := Check(b.Image, b.below() != 0); err != nil {
		return err
	}
	t, err := newTexts(l)
	if err != nil {
		return err
	}
	s := &script{Build: b, texts: t, ctx: ctx, known: make(map[string]string)}
	s.head()
	for i := range b.Parts {
		if err := s.layer(i); err != nil {
			return err
		}
	}
	if err := s.image(); err != nil {
		return err
	}
	_, err = w.Write(s.buf.Bytes())
	return err
}

// A script is one that is being written.
type script struct {
	*Build
	*texts
	ctx   context.Context
	buf   bytes.Buffer
	known map[string]string // digests, in hexadecimal, to the variables that have them
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(&s.buf, format+"\n", args...) }

// remark writes a text as a comment.
func (s *script) remark(key string, v values) {
	for _, line := range fold(s.say(key, v), width-2) {
		s.line("# %s", line)
	}
}

func (s *script) head() {
	s.line("#!/bin/sh")
	s.remark("script.head", values{"Name": s.name(), "Programs": strings.Join(s.Plan.Programs, " ")})
	s.line("set -eu")
	s.line("umask 022")
	s.line("export LC_ALL=C")
	s.line("unset CDPATH TAR_OPTIONS POSIXLY_CORRECT")
	s.line("dir=${1:-by-hand}")
	root := s.Root
	if root == "" {
		root = "/"
	}
	s.line(`host=${2:-%s}`, word(root))
	s.line(`host=$(cd "$host" && pwd)`)
	s.line("host=${host%%/}")
	s.line("")
	s.line(`stop() { echo "$0: $*" >&2; exit 1; }`)
	s.line(`digest() { sha256sum <"$1" | cut -d ' ' -f 1; }`)
	s.remark("script.same", nil)
	s.line("same() {")
	s.line(`	[ "$2" = "$3" ] || stop "$1: sha256:$2, %s sha256:$3"`, s.say("script.not", nil))
	s.line(`	echo "$1 sha256:$2"`)
	s.line("}")
	s.line("")
	s.line(`mkdir "$dir"`)
	s.line(`chmod g-s "$dir"`)
	s.line(`cd "$dir"`)
}

// layerName returns what the files of a layer are called, without an ending, as
// pack.WriteDocker has it.
func (b *Build) layerName(i int) string {
	if len(b.Blobs) > 1 {
		return fmt.Sprintf("layer%d", i+1)
	}
	return "layer"
}

// diffName returns the variable that has a layer's diff_id.
func (b *Build) diffName(i int) string {
	return strings.Replace(b.layerName(i), "layer", "diff_id", 1)
}

// image writes config and manifests, and what puts them together.
func (s *script) image() error {
	members, digests, err := s.members()
	if err != nil {
		return err
	}
	names := s.memberNames(members)
	s.line("")
	s.remark("script.config", nil)
	s.json(members[0].Data, names[0])
	s.compare("image ID", "image_id", names[0], digests.Image.Encoded())
	rest := members[1:]
	if s.Output.Format != Docker {
		s.line("")
		s.remark("script.manifest", nil)
		s.json(members[1].Data, names[1])
		s.compare("manifest", "manifest", names[1], digests.Manifest.Encoded())
		rest = members[2:]
	}
	s.line("")
	s.remark("script.names", nil)
	for _, m := range rest {
		s.json(m.Data, m.Name)
	}
	s.together(members, names)
	return nil
}

// members returns the JSON files of the archive: config first, and if there is
// one, then the manifest.
func (s *script) members() ([]pack.Member, pack.Digests, error) {
	if s.Output.Format == Docker {
		return pack.DockerMembers(s.Image, s.Blobs)
	}
	return pack.ArchiveMembers(s.Image, s.Blobs)
}

// memberNames returns what members are called until they are put together, when
// those whose names are digests have them.
func (s *script) memberNames(members []pack.Member) []string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	if s.Output.Format != Docker {
		names[0], names[1] = "config.json", "oci-manifest.json"
	}
	return names
}

// compare writes what computes a digest, keeps it in a variable, and compares it
// with what it is to be.
func (s *script) compare(what, variable, file, want string) {
	s.line("%s=$(digest %s)", variable, file)
	s.line(`same %s "$%s" %s`, word(what), variable, want)
	s.known[want] = variable
}

// json writes what makes a JSON file, a line for each of its outermost values.
// Digests that the script has computed come from their variables.
func (s *script) json(data []byte, file string) {
	s.line("printf %%s \\")
	for _, part := range outermost(string(data)) {
		text := word(part)
		for digest, variable := range s.known {
			text = strings.ReplaceAll(text, digest, `'"$`+variable+`"'`)
		}
		s.line("\t%s \\", text)
	}
	s.line("\t>%s", file)
}

// outermost takes JSON apart behind the commas between the values of the outermost
// object.
func outermost(doc string) []string {
	var parts []string
	depth, from, quoted := 0, 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 1:
			parts = append(parts, doc[from:i+1])
			from = i + 1
		}
	}
	return append(parts, doc[from:])
}

// tarFlags are those that make GNU tar write what the same files always give.
const tarFlags = "--format=ustar -b1 --no-recursion --numeric-owner"

// together writes what makes the archive.
func (s *script) together(members []pack.Member, names []string) {
	s.line("")
	var list []string
	if s.Output.Format == Docker {
		s.remark("script.docker", nil)
		for i := range s.Blobs {
			list = append(list, s.layerName(i)+".tar")
		}
	} else {
		s.remark("script.archive", nil)
		s.line("mkdir blobs blobs/sha256")
		list = append(list, "blobs", "blobs/sha256")
		done := make(map[string]bool)
		for i, blob := range s.Blobs {
			if hex := blob.DiffID.Encoded(); !done[hex] {
				done[hex] = true
				list = append(list, s.blob(s.layerName(i)+".tar", hex))
			}
		}
		for i, m := range members[:2] {
			_, hex := path.Split(m.Name)
			names[i] = s.blob(names[i], hex)
		}
	}
	list = append(list, names...)
	s.line("tar %s --owner=0 --group=0 --mtime=@0 -cf image.tar \\", tarFlags)
	s.line("\t%s", strings.Join(list, " "))
	s.line("")
	s.line(`echo "docker load -i $dir/image.tar"`)
}

// blob writes what gives a file its digest for a name, and returns that.
func (s *script) blob(file, hex string) string {
	name := `"blobs/sha256/$` + s.known[hex] + `"`
	s.line("ln %s %s", file, name)
	return name
}

// endMark ends what stands in the script for a file.
const endMark = "END"

// contents writes what makes a file that no host has: a text as it is, anything
// else in base64.
func (s *script) contents(name string, data []byte) {
	text := string(data)
	switch {
	case len(data) == 0:
		s.line(": >%s", name)
	case isText(text) && !strings.Contains("\n"+text, "\n"+endMark+"\n"):
		s.line("cat >%s <<'%s'", name, endMark)
		s.buf.WriteString(text)
		s.line(endMark)
	default:
		s.line("base64 -d >%s <<%s", name, endMark)
		s.base64(data)
		s.line(endMark)
	}
}

// isText reports whether text can stand in a script as it is, in whole lines.
func isText(text string) bool {
	return strings.HasSuffix(text, "\n") && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

// base64 writes data in lines as base64(1) does.
func (s *script) base64(data []byte) {
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 0 {
		n := min(76, len(text))
		s.line("%s", text[:n])
		text = text[n:]
	}
}

// mostWords is how many words a command gets, lest it be longer than execve(2)
// takes.
const mostWords = 1000

// list writes a command with words, in lines that are not too long.
func (s *script) list(command string, names []string) {
	for ; len(names) > mostWords; names = names[mostWords:] {
		s.list(command, names[:mostWords])
	}
	line := command
	for _, name := range names {
		if len(line)+1+len(name) > 100 {
			s.line("%s \\", line)
			line = "\t" + name
			continue
		}
		line += " " + name
	}
	s.line("%s", line)
}
