package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A place is where an image may be made.
type place struct {
	umask string
	env   []string
}

func TestImageIsTheSameWhereverItIsMade(t *testing.T) {
	want := ""
	for i, p := range []place{
		{"022", nil},
		{"022", nil},
		{"077", nil},
		{"000", []string{"GOMAXPROCS=1"}},
		{"022", []string{"TZ=Pacific/Kiritimati", "GOMAXPROCS=8"}},
		{"022", []string{"TZ=America/St_Johns", "LC_ALL=tr_TR.UTF-8"}},
		{"027", []string{"LC_ALL=C", "LANG=ja_JP.EUC-JP"}},
		{"022", []string{"GOMAXPROCS=3", "HOME=/nowhere", "USER=someone"}},
		{"002", []string{"GOGC=1", "LD_LIBRARY_PATH=/usr/lib"}},
		{"022", []string{"PATH=/nowhere", "SOURCE_DATE_EPOCH="}},
	} {
		w := newWork(t)
		w.plant("data", i)
		cmd := w.command("/bin/sh", "-c", "umask "+p.umask+`; exec "$@"`, "sh", harvestFile, "--json", "--bin", "bash",
			"--bin", "id", "--add", "data:/data", "-u", "www-data", "-t", "same:v1", "-o", fmt.Sprintf("image-%d.tar", i))
		cmd.Env = append(os.Environ(), p.env...)
		w.output(cmd)
		got := fileSum(t, w.path(fmt.Sprintf("image-%d.tar", i)))
		if want == "" {
			want = got
		}
		equal(t, fmt.Sprintf("digest under %v", p), got, want)
	}
}

// plant makes a folder of files, created in an order that depends on the seed,
// with modes that do not depend on the umask.
func (w *work) plant(dir string, seed int) {
	w.t.Helper()
	w.run("mkdir", dir)
	for i := range 20 {
		w.write(filepath.Join(dir, fmt.Sprint((7*i+seed)%20)), "a file\n")
	}
	w.run("chmod", "-R", "u=rwX,go=rX", dir)
}

func TestCopyOfTheHostGivesTheSameImage(t *testing.T) {
	need(t, "root") // which keeps owners when it copies
	w := newWork(t)
	flags := []string{"--bin", "bash", "--bin", "curl", "--bin", "/usr/bin/python3", "--without", "own", "-t", w.image} // a copy has no packages to own anything
	want := w.summary(append(flags, "-o", "image.tar")...)

	var listed []struct{ Source string }
	ls := w.run("harvest", "ls", "--json", "--without", "own", "--bin", "bash", "--bin", "curl", "--bin", "python3")
	if err := json.Unmarshal([]byte(ls), &listed); err != nil {
		t.Fatal(err)
	}
	sources := []string{"etc/ld.so.cache"} // of which the image holds its own
	for _, e := range listed {
		if e.Source != "" {
			sources = append(sources, e.Source[1:])
		}
	}
	w.write("sources", strings.Join(sources, "\n")+"\n")
	w.shell("mkdir copy; tar -C / --no-recursion -T sources -c | tar -C copy -xp")
	got := w.summary(append(flags, "--root", "copy", "-o", "copy.tar")...)
	equal(t, "digest from a copy of what ls lists", got.Manifest, want.Manifest)
}

func TestImageOfItsOwnRootIsTheSameImage(t *testing.T) {
	need(t, "root")
	w := newWork(t)
	flags := []string{"--bin", "bash", "--bin", "/usr/bin/curl", "-u", "www-data", "--without", "own", "-t", w.image}
	want := w.summary(append(flags, "-o", "image.tar")...)
	w.run("harvest", append(flags, "-o", "type=rootfs,dest=root")...)
	got := w.summary(append(flags, "--root", "root", "-o", "again.tar")...)
	equal(t, "digest", got.Manifest, want.Manifest)
}

func TestNothingIsLaterThanSourceDateEpoch(t *testing.T) {
	epoch := time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)
	old := time.Date(1999, 12, 31, 23, 59, 59, 5e8, time.UTC)
	w := newWork(t)
	t.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(epoch.Unix()))
	if err := os.Chtimes(w.write("old", "old\n"), old, old); err != nil {
		t.Fatal(err)
	}
	w.build("--bin", "bash", "--add", "old:/old")

	image := openArchive(t, w.path("image.tar"))
	var config struct{ Created time.Time }
	if err := json.Unmarshal(image.config(), &config); err != nil {
		t.Fatal(err)
	}
	equal(t, "created", config.Created.String(), epoch.String())
	got := make(map[string]time.Time)
	for _, m := range image.layer() {
		got[m.Name] = m.ModTime.UTC()
		if m.ModTime.After(epoch) {
			t.Errorf("%s is of %v", m.Name, m.ModTime.UTC())
		}
	}
	for name, want := range map[string]time.Time{"fresh": epoch, "usr/bin/bash": epoch, "old": old.Truncate(time.Second)} {
		equal(t, "time of "+name, got[name].String(), want.String())
	}
}
