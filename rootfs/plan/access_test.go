package plan_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

const guarded = merged + `
	/opt/lib.so        elf soname=lib.so mode=0644
	/opt/mine          elf static mode=0700
	/opt/others        elf static mode=0641
	/opt/secret        dir mode=0700
	/opt/secret/app    elf static
	/opt/open/app      -> /opt/via/app
	/opt/via           -> secret
	/opt/self          -> mine
	/my/passwd         text "me:x:5:6::/:/x\nroot2:x:0:9::/:/x\n"
`

func TestAProgramMustBeExecutableForTheUser(t *testing.T) {
	host := onDisk(t, guarded)
	for _, tt := range []struct{ line, want string }{
		{"--bin /opt/lib.so", "/opt/lib.so is not executable (mode 0644)"},
		{"--bin /opt/lib.so -u 5", "/opt/lib.so is not executable (mode 0644)"},
		{"--bin /opt/lib.so:/bin/x --bin bash", "/bin/x is not executable (mode 0644)"},
		{"--bin /opt/mine", ""},
		{"--bin /opt/mine -u 0:5", ""},
		{"--bin /opt/mine -u root", ""},
		{"--bin /opt/mine -u :nogroup", ""},
		{"--bin /opt/mine -u 12345", "user 12345 may not execute /opt/mine (mode 0700, owner 0:0)"},
		{"--bin /opt/mine:/bin/x -u nonroot", "user nonroot may not execute /bin/x, which is /usr/bin/x (mode 0700, owner 0:0)"},
		{"--bin /opt/self -u 12345:1", "user 12345:1 may not execute /opt/self, which is /opt/mine (mode 0700, owner 0:0)"},
		{"--bin /opt/mine -u me --add /my/passwd:/etc/passwd", "user me may not execute /opt/mine (mode 0700, owner 0:0)"},
		{"--bin /opt/mine -u root2 --add /my/passwd:/etc/passwd", ""},
		{"--bin /opt/others -u 12345:12345", ""},
		{"--bin bash -u nonroot", ""},
		{"--bin /opt/secret/app", ""},
		{"--bin /opt/secret/app -u 12345", "user 12345 may not search /opt/secret on the way to /opt/secret/app (mode 0700, owner 0:0)"},
		{"--bin /opt/open/app -u 12345", "user 12345 may not search /opt/secret on the way to /opt/open/app (mode 0700, owner 0:0)"},
		{"--bin /opt/secret/app:/bin/app -u 12345", ""},
		{"--bin /opt/mine --bin bash --bin /opt/secret/app -u 12345", "user 12345 may not execute /opt/mine (mode 0700, owner 0:0)" +
			"\nuser 12345 may not search /opt/secret on the way to /opt/secret/app (mode 0700, owner 0:0)"},
	} {
		if tt.want == "" {
			makePlan(t, host, tt.line)
			continue
		}
		err := makeError(t, host, tt.line)
		want := strings.ReplaceAll(tt.want, "owner 0:0", fmt.Sprintf("owner %d:%d", os.Geteuid(), os.Getegid()))
		var access *plan.AccessError
		if !errors.As(err, &access) || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, err, want)
		}
	}
}
