package e2e

import "testing"

// Real programs do their work in images that were made with nothing but --bin;
// make programs has many more of them. They meet a web server and a name server of
// the test's own.
func TestRealProgramsWork(t *testing.T) {
	need(t, "docker", "root", "curl", "git", "python3", "busybox", "unshare")
	w := newWork(t)
	cmd := w.command("go", "run", "github.com/harvest-oci/harvest/scripts/programs",
		"bash", "curl", "git", "python3", "perl", "iconv", "date", "locale", "ldd", "busybox", "openssl", "a program of Go")
	cmd.Dir = "../.."
	t.Log(w.output(cmd))
}

// What is named and not there is an error that says what to install.
func TestProgramsThatAreNotKnown(t *testing.T) {
	need(t, "docker", "root")
	w := newWork(t)
	cmd := w.command("go", "run", "github.com/harvest-oci/harvest/scripts/programs", "no-such")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("it succeeds")
	}
	contains(t, "programs", string(out), "there is no program no-such")
}
