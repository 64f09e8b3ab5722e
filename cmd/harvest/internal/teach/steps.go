package teach

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// stage tells where everything goes.
func (x *explanation) stage() {
	x.step("stage.title", nil)
	var shown []*rootfs.Entry
	var folders []string
	var files, links int
	for e := range x.Plan.Tree.All() {
		switch {
		case e.Mode.IsDir():
			folders = append(folders, "root"+e.Path)
		case e.Link != "":
			links++
		default:
			files++
		}
		if !e.Mode.IsDir() && (e.Source != "" || e.Link != "") && isShowable(e) {
			shown = append(shown, e)
		}
	}
	x.text("stage.text", values{"Flat": x.Flat, "Base": x.below() > 0, "Index": x.hasIndex(), "Size": x.Plan.Tree.Size(), "Files": files, "Links": links, "Folders": len(folders)})
	slices.SortStableFunc(shown, func(a, b *rootfs.Entry) int { return rank(a) - rank(b) })
	shown = shown[:min(len(shown), mostRows)]
	more := x.others(shown)
	if len(folders) > mostFolders { // those alone that the rest goes into
		folders = nil
		for _, e := range shown {
			folders = append(folders, path.Dir("root"+e.Path))
		}
	}
	folders = append(folders, "root")
	slices.Sort(folders)
	x.command("mkdir -p " + words(slices.Compact(folders)...))
	x.copies(shown)
	if len(more) > 0 {
		x.text("stage.more", values{"N": files + links - len(shown), "Kinds": more, "ByHand": x.makeable()})
	}
	if x.Output.Format == Root {
		x.text("stage.only", nil)
	}
}

// isShowable reports whether a terminal can show the command that stages an entry:
// names are anybody's, and could move the cursor.
func isShowable(e *rootfs.Entry) bool {
	return comment(e.Path) == e.Path && comment(e.Source) == e.Source && comment(e.Link) == e.Link
}

// hasIndex reports whether an index of libraries comes with what is staged.
func (x *explanation) hasIndex() bool { return x.Plan.Tree.Entry("/etc/ld.so.cache") != nil }

// makeable reports whether a script makes the image, too.
func (x *explanation) makeable() bool { return Check(x.Image, x.below() > 0) == nil }

// others says of what kinds the files and links are that are not shown, and how
// many of each: nothing if all are.
func (x *explanation) others(shown []*rootfs.Entry) []string {
	keys := map[string]string{
		"program":     "others.program",
		"interpreter": "others.interpreter",
		"loader":      "others.loader",
		"library":     "others.library",
		"link":        "others.link",
		"skeleton":    "others.skeleton",
		"generated":   "others.generated",
		"added":       "others.added",
		"recipe":      "others.recipe",
	}
	var order []string
	count := make(map[string]int)
	for e := range x.Plan.Tree.All() {
		if e.Mode.IsDir() || slices.Contains(shown, e) {
			continue
		}
		key := "others.rest"
		if len(e.Why) > 0 && keys[e.Why[0].Kind] != "" {
			key = keys[e.Why[0].Kind]
		}
		if count[key] == 0 {
			order = append(order, key)
		}
		count[key]++
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
	var kinds []string
	for _, key := range order {
		kinds = append(kinds, x.say(key, values{"N": count[key]}))
	}
	return kinds
}

// mostFolders is of how many folders all are shown.
const mostFolders = 24

// rank says how much an entry has to do with what was told before.
func rank(e *rootfs.Entry) int {
	order := []string{"program", "interpreter", "loader", "library", "link"}
	if len(e.Why) > 0 {
		if i := slices.Index(order, e.Why[0].Kind); i >= 0 {
			return i
		}
	}
	return len(order)
}

// copies writes the commands that stage entries, each with its reason.
func (x *explanation) copies(entries []*rootfs.Entry) {
	for _, e := range entries {
		to := "root" + e.Path
		command := x.copy() + " " + words(x.Root+e.Source, to)
		if e.Link != "" {
			command = "ln -s " + target(e.Link) + " " + word(to)
		}
		x.command(fmt.Sprintf("%-40s # %s", command, comment(x.why(e.Why[0]))))
	}
	x.line("")
}

// seconds is the time that no file is later than, since 1970.
func (x *explanation) seconds() int64 { return rootfs.Clamp(x.Latest, x.Latest).Unix() }

// copy is the command that copies a file as far as the tar goes by it.
func (x *explanation) copy() string {
	if x.seconds() == 0 { // as then all times are
		return "cp"
	}
	return "cp -p"
}

// owned reports whether anything is another's than root's.
func (x *explanation) owned() bool {
	for e := range x.Plan.Tree.All() {
		if e.UID != 0 || e.GID != 0 {
			return true
		}
	}
	return false
}

// documents are the JSON files of the image, and where they are.
type documents struct {
	digests pack.Digests
	show    func(member string) string // the command that prints a member of the output; nil if there is none
	names   []string                   // of layers, then config, then manifest
}

// documents finds out what the digests are of, and where that can be seen.
func (x *explanation) documents() error {
	members, digests, err := pack.ArchiveMembers(x.Image, x.Blobs)
	if err != nil {
		return err
	}
	d := documents{digests: digests}
	for _, blob := range x.Blobs {
		d.names = append(d.names, blobName(blob.Digest))
	}
	d.names = append(d.names, members[0].Name, members[1].Name)
	file := x.Output.File
	switch x.Output.Format {
	case Archive:
		d.show = func(member string) string { return "tar -xOf " + word(file) + " " + member }
	case Docker:
		d.show = func(member string) string { return "tar -xOf " + word(file) + " " + member }
		for i := range x.Blobs {
			d.names[i] = x.layerName(i) + ".tar"
		}
		d.names = append(d.names[:len(x.Blobs)], "config.json")
		d.digests.Manifest = ""
	case Chain:
		d.digests.Manifest = ""
	case Layout:
		d.show = func(member string) string { return "cat " + word(path.Join(file, member)) }
	}
	if file == "" {
		d.show = nil
	}
	x.docs = d
	return nil
}

func blobName(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

// digest shows that a member of the output, run through a command, has a digest.
func (x *explanation) digest(label string, member int, through string, d digest.Digest) {
	if x.docs.show == nil {
		x.line("%s  %-*s %s", indent, labelWidth, label, d)
		return
	}
	x.command(x.docs.show(x.docs.names[member])+through+" | sha256sum", d.Encoded()+"  -")
}

const labelWidth = 12

// layers tells of tar, diff_id and layer digest, and of how layers add up.
func (x *explanation) layers() {
	x.step("layer.title", nil)
	seconds := x.seconds()
	x.text("layer.tar", values{"Seconds": seconds, "Owned": x.owned(), "ByHand": x.makeable()})
	times := fmt.Sprintf("--mtime=@%d", seconds)
	if seconds != 0 {
		times += " --clamp-mtime"
	}
	x.command(`(cd root && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort) >layer.list`)
	x.command("tar " + tarFlags + " --owner=0 --group=0 " + times + " -C root -T layer.list -cf layer.tar")
	x.line("")
	if len(x.Parts) > 1 {
		var parts []string
		for _, p := range x.Parts {
			parts = append(parts, x.part(p.Name))
		}
		x.text("layer.parts", values{"N": len(parts), "Parts": parts, "ByHand": x.makeable()})
	}
	zipped := x.Image.Compression.Method
	x.text("layer.digest", values{"Method": zipped, "Base": x.below(), "N": len(x.Parts)})
	for i, blob := range x.Blobs[x.below():] {
		if i == mostLayers {
			break
		}
		n := x.below() + i
		if zipped == "" {
			x.digest("diff_id", n, "", blob.DiffID)
			continue
		}
		x.digest("diff_id", n, " | "+unzip(blob), blob.DiffID)
		x.digest("layer", n, "", blob.Digest)
	}
	x.line("")
	x.more(len(x.Parts)-mostLayers, "explain.more")
	x.chain()
	if x.Output.Format == Layer {
		x.text("layer.only", nil)
	}
}

// mostLayers is of how many layers digests are shown.
const mostLayers = 4

// unzip returns the command that decompresses a blob.
func unzip(b pack.Blob) string {
	if b.MediaType == v1.MediaTypeImageLayerZstd {
		return "zstd -dc"
	}
	return "gzip -dc"
}

// chain tells how engines name layers that lie upon others.
func (x *explanation) chain() {
	if len(x.Blobs) < 2 {
		return
	}
	x.text("layer.chain", nil)
	chain := x.Blobs[0].DiffID
	for _, blob := range x.Blobs[1:min(len(x.Blobs), mostLayers)] {
		text := chain.String() + " " + blob.DiffID.String()
		chain = digest.FromString(text)
		x.command("printf %s '"+text+"' | sha256sum", chain.Encoded()+"  -")
	}
	x.line("")
}

// config tells of config, image ID, and manifest.
func (x *explanation) config() {
	x.step("config.title", nil)
	x.text("config.config", nil)
	x.digest("image ID", len(x.Blobs), "", x.docs.digests.Image)
	x.line("")
	if x.docs.digests.Manifest == "" {
		x.text("config.docker", nil)
		return
	}
	x.text("config.manifest", nil)
	x.digest("manifest", len(x.Blobs)+1, "", x.docs.digests.Manifest)
	x.line("")
}

// run tells how the image is loaded and run.
func (x *explanation) run() {
	x.step("run.title", nil)
	x.text("run.text", nil)
	for _, command := range x.Output.Next {
		x.command(command)
	}
	if name := x.name(); name != "" && slices.ContainsFunc(x.Output.Next, func(c string) bool { return strings.HasPrefix(c, "docker load") }) {
		x.command("docker image inspect --format '{{.Id}}' "+word(name), x.docs.digests.Image.String())
		x.command("docker history " + word(name))
	}
	if len(x.Output.Next) > 0 {
		x.line("")
	}
	x.text("run.more", nil)
}
