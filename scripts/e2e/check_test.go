package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A file says which programs an image has and what these must do. Without
// certificates one check fails; harvest then names the file that was asked for
// and the flag that has to do with it, and writes nothing.
func TestAFailedCheckNamesTheFileAndTheFlag(t *testing.T) {
	need(t, "sandbox", "curl", "git", "strace", "python3", "perl")
	w := newWork(t)
	const file = `
binaries: [bash, curl, git, strace, /usr/bin/python3, perl]
checks:
  - bash -c "echo hello"
  - git init /root/repository
  - strace -V
  - perl -MPOSIX -e "print floor(1.5)"
  - curl --silent --fail file:///etc/os-release
  - python3 -c "import ssl; assert ssl.create_default_context().cert_store_stats()['x509_ca']"
`
	w.write("without.yaml", "without: [certs]\n"+file)
	w.write("harvest.yaml", file)
	out, err := w.command("harvest", "-f", "without.yaml", "-o", "image.tar").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Fatalf("%v, want exit status 4\n%s", err, out)
	}
	for _, want := range []string{"without.yaml:10:5: --check python3 -c", "cert.pem: --without certs leaves it out"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(string(out), "--check"); n != 1 {
		t.Errorf("%d checks failed\n%s", n, out)
	}
	if _, err := os.Stat(w.path("image.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is an image: %v", err)
	}
	w.run("harvest", "-f", "harvest.yaml", "-o", "image.tar")
}
