package teach

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// layer writes what makes one layer: a folder with all that is in it, and the tar
// of that.
func (s *script) layer(i int) error {
	var entries []*rootfs.Entry
	for e := range s.Parts[i].Tree.All() {
		if e.Mode&(fs.ModeDevice|fs.ModeSocket) != 0 {
			return &CannotError{e.Path + " is a device"}
		}
		entries = append(entries, e)
	}
	name := s.layerName(i)
	s.line("")
	if len(s.Parts) > 1 {
		s.remark("script.layer", values{"N": i + 1, "Of": len(s.Parts), "What": s.part(s.Parts[i].Name)})
	}
	s.line("mkdir %s", name)
	s.line("cd %s", name)
	s.folders(entries)
	if err := s.files(entries); err != nil {
		return err
	}
	if err := s.sums(entries); err != nil {
		return err
	}
	pieces, err := s.pieces(entries)
	if err != nil {
		return err
	}
	times := s.times(entries)
	s.modes(entries)
	s.line("cd ..")
	s.line("")
	s.tar(name, pieces, times)
	s.line("")
	s.remark("script.diff_id", nil)
	blob := s.Blobs[i]
	s.compare(s.diffName(i), s.diffName(i), name+".tar", blob.DiffID.Encoded())
	return nil
}

// inside returns an entry's path in the folder of its layer, quoted.
func inside(e *rootfs.Entry) string { return file(e.Path[1:]) }

func (s *script) folders(entries []*rootfs.Entry) {
	var names []string
	for _, e := range entries {
		if e.Mode.IsDir() {
			names = append(names, inside(e))
		}
	}
	if len(names) > 0 {
		s.line("")
		s.remark("script.folders", nil)
		s.list("mkdir", names)
	}
}

// files writes what makes all but folders, each with the reason why it is there.
func (s *script) files(entries []*rootfs.Entry) error {
	s.line("")
	s.remark("script.files", nil)
	for _, e := range entries {
		name := inside(e)
		why := ""
		if len(e.Why) > 0 {
			why = " # " + comment(s.why(e.Why[0]))
		}
		switch {
		case e.Mode.IsDir():
		case e.Hardlink != "":
			s.line("ln %s %s%s", file(e.Hardlink[1:]), name, why)
		case e.Mode&fs.ModeSymlink != 0:
			s.line("ln -s %s %s%s", target(e.Link), name, why)
		case e.Mode&fs.ModeNamedPipe != 0:
			s.line("mkfifo %s%s", name, why)
		case e.Source != "":
			s.line(`cp "$host"%s %s%s`, word(e.Source), name, why)
		default:
			data, err := contentsOf(e)
			if err != nil {
				return err
			}
			s.line("#%s", strings.TrimPrefix(why, " #"))
			s.contents(name, data)
		}
	}
	return nil
}

// target quotes what a link leads to.
func target(link string) string {
	if strings.HasPrefix(link, "-") {
		return "-- " + word(link)
	}
	return word(link)
}

// contentsOf reads a file of a tree.
func contentsOf(e *rootfs.Entry) ([]byte, error) {
	f, err := e.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return data, err
}

// sums writes what compares the files with those that harvest saw.
func (s *script) sums(entries []*rootfs.Entry) error {
	var lines []string
	for _, e := range entries {
		if !e.Mode.IsRegular() || e.Hardlink != "" {
			continue
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		sum, err := sumOf(e)
		if err != nil {
			return err
		}
		lines = append(lines, sumLine(sum, e.Path[1:]))
	}
	if len(lines) == 0 {
		return nil
	}
	s.line("")
	s.remark("script.sums", nil)
	s.line("sha256sum --check --quiet <<'%s' || stop %s", endMark, word(s.say("script.other", nil)))
	for _, line := range lines {
		s.line("%s", line)
	}
	s.line(endMark)
	return nil
}

func sumOf(e *rootfs.Entry) (string, error) {
	f, err := e.Open()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// sumLine is a line of sha256sum(1), which marks names with line breaks.
func sumLine(sum, name string) string {
	escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(name)
	if escaped != name {
		return `\` + sum + "  " + escaped
	}
	return sum + "  " + name
}

// times writes what gives files their times, unless all have one: that is then
// returned as the flag of tar that does it.
func (s *script) times(entries []*rootfs.Entry) string {
	var order []int64
	names := make(map[int64][]string)
	for _, e := range entries {
		t := rootfs.Clamp(e.ModTime, s.Latest).Unix()
		if names[t] == nil {
			order = append(order, t)
		}
		if e.Hardlink == "" {
			names[t] = append(names[t], inside(e))
		}
	}
	if len(order) == 1 {
		return fmt.Sprintf(" --mtime=@%d", order[0])
	}
	s.line("")
	s.remark("script.times", nil)
	for _, t := range order {
		s.list(fmt.Sprintf("touch -h -d @%d", t), names[t])
	}
	return ""
}

// modes writes what gives files and folders their modes.
func (s *script) modes(entries []*rootfs.Entry) {
	s.line("")
	s.remark("script.modes", nil)
	var order []uint32
	names := make(map[uint32][]string)
	for _, e := range entries {
		perm := rootfs.UnixPerm(e.Mode)
		if e.Mode&fs.ModeSymlink != 0 || e.Hardlink != "" || hidden(e) {
			continue
		}
		if names[perm] == nil {
			order = append(order, perm)
		}
		names[perm] = append(names[perm], inside(e))
	}
	for _, perm := range order {
		s.list(fmt.Sprintf("chmod %04o", perm), names[perm])
	}
}

// hidden reports whether an entry's mode would keep its owner, unless that is
// root, from putting it into a tar.
func hidden(e *rootfs.Entry) bool {
	switch {
	case e.Mode.IsDir():
		return e.Mode&0o500 != 0o500
	case e.Mode.IsRegular():
		return e.Mode&0o400 == 0
	}
	return false
}

// A piece of a layer is what one tar writes, or the header of an entry as it is.
type piece struct {
	uid, gid int
	mode     string // for tar to give them, "" for their own
	entries  []*rootfs.Entry
	header   []byte // of the only entry; nil if tar writes it
}

// pieces divides a layer into what GNU tar writes with the same flags, and what it
// would write otherwise.
func (s *script) pieces(entries []*rootfs.Entry) ([]*piece, error) {
	var list []*piece
	in := make(map[string]*piece)
	for _, e := range entries {
		header, err := pack.Header(e, s.Latest)
		if err != nil {
			return nil, err
		}
		p := &piece{uid: e.UID, gid: e.GID}
		if hidden(e) && e.Hardlink == "" {
			p.mode = fmt.Sprintf(" --mode=%04o", rootfs.UnixPerm(e.Mode))
		}
		if len(list) > 0 && list[len(list)-1].takes(p) {
			p = list[len(list)-1]
		}
		if !plain(e, header) || e.Hardlink != "" && in[e.Hardlink] != p {
			p = &piece{header: header}
		}
		if len(p.entries) == 0 {
			list = append(list, p)
		}
		p.entries = append(p.entries, e)
		in[e.Path] = p
	}
	return list, nil
}

// takes reports whether one tar writes both pieces.
func (p *piece) takes(q *piece) bool {
	return p.header == nil && p.uid == q.uid && p.gid == q.gid && p.mode == q.mode
}

// plain reports whether GNU tar writes the same header, and a list of names can
// have this one.
func plain(e *rootfs.Entry, header []byte) bool {
	return len(header) == blockSize && !strings.Contains(e.Path, "\n") && e.Path != "/"+endMark
}

const blockSize = 512 // of a tar

// tar writes what makes the tar of a layer.
func (s *script) tar(name string, pieces []*piece, times string) {
	out := name + ".tar"
	if len(pieces) == 1 && pieces[0].header == nil {
		s.remark("script.tar", nil)
		s.names(pieces[0], name)
		s.line("tar %s -C %s -T %s.list -cf %s", pieces[0].flags(times), name, name, out)
		return
	}
	s.remark("script.pieces", nil)
	s.line(": >%s", out)
	for _, p := range pieces {
		if p.header != nil {
			s.raw(p, name)
			continue
		}
		s.names(p, name)
		s.line("tar %s -C %s -T %s.list -cf - | head -c -1024 >>%s", p.flags(times), name, name, out)
	}
	s.line("head -c 1024 /dev/zero >>%s", out)
}

// flags are those with which tar writes a piece.
func (p *piece) flags(times string) string {
	flags := fmt.Sprintf("%s --owner=%d --group=%d%s%s", tarFlags, p.uid, p.gid, times, p.mode)
	for _, e := range p.entries {
		if strings.ContainsAny(e.Path, `\`) || strings.HasPrefix(e.Path, "/-") {
			return flags + " --no-unquote --verbatim-files-from"
		}
	}
	return flags
}

// names writes the list of what tar is to write, in its order.
func (s *script) names(p *piece, layer string) {
	s.line("cat >%s.list <<'%s'", layer, endMark)
	for _, e := range p.entries {
		s.line("%s", e.Path[1:])
	}
	s.line(endMark)
}

// raw writes an entry into the tar without tar.
func (s *script) raw(p *piece, layer string) {
	e := p.entries[0]
	s.line("")
	switch {
	case len(e.XAttrs) > 0:
		s.remark("script.xattrs", values{"Path": comment(e.Path)})
	case e.Hardlink != "":
		s.remark("script.hardlink", values{"Path": comment(e.Path), "To": comment(e.Hardlink)})
	default:
		s.remark("script.raw", values{"Path": comment(e.Path)})
	}
	s.line("base64 -d >>%s.tar <<%s", layer, endMark)
	s.base64(p.header)
	s.line(endMark)
	if !e.Mode.IsRegular() || e.Hardlink != "" {
		return
	}
	s.line("cat %s >>%s.tar", word(layer+e.Path), layer)
	if pad := -e.Size & (blockSize - 1); pad > 0 {
		s.line("head -c %d /dev/zero >>%s.tar", pad, layer)
	}
}

// part says what a part of a plan holds, in its words if they are others than
// [plan.Plan.Parts] has.
func (t *texts) part(name string) string {
	key := map[string]string{
		"libraries":         "part.libraries",
		"programs and data": "part.programs",
		"loader and libc":   "part.common",
		"other libraries":   "part.others",
	}[name]
	if key == "" {
		return name
	}
	return t.say(key, nil)
}

// why says why an entry is there.
func (t *texts) why(r rootfs.Reason) string {
	key := "why." + r.Kind
	if !t.has(key) {
		return r.String()
	}
	name, rule, _ := strings.Cut(r.Text, " by ")
	return t.say(key, values{"From": r.From, "Text": r.Text, "Name": name, "Rule": rule})
}
