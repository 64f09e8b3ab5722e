package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

// scripts are some programs, and what they are started with, upon a merged root.
const scripts = merged + `
	/opt/tool            text "#!/usr/bin/env snake\n" mode=0755
	/opt/shell           text "#!/bin/sh -e\n" mode=0755
	/opt/twice           text "#!/opt/tool\n" mode=0755
	/data/snake          elf static text=another
	/usr/local/bin/snake elf interp=/lib64/ld.so needed=libc.so.6
	/usr/bin/env         elf static
`

func TestScriptsComeWithWhatTheyAreStartedWith(t *testing.T) {
	host := onDisk(t, scripts)
	for _, test := range []struct{ line, has, path string }{
		{"--bin /opt/shell", "/bin /usr/bin/sh /usr/bin/bash /usr/lib/gnu/libtinfo.so.6", "/opt"},
		{"--bin /opt/tool", "/usr/bin/env /usr/local/bin/snake /usr/lib/gnu/libc.so.6", "/opt:/usr/local/bin"},
		{"--bin /opt/twice", "/opt/tool /usr/bin/env /usr/local/bin/snake", "/opt:/usr/local/bin"},
		{"--bin /opt/twice --layout flat", "/bin/twice /opt/tool /usr/bin/env /bin/snake", "/bin"},
		{"--bin /opt/shell --layout flat", "/bin/shell /bin/sh", "/bin"},
		{"--bin /opt/tool --add /data/snake:/usr/local/sbin/snake", "/usr/local/bin/snake /usr/local/sbin/snake", "/opt:/usr/local/bin"},
	} {
		p := makePlan(t, host, test.line)
		for name := range strings.FieldsSeq(test.has) {
			if p.Tree.Entry(name) == nil {
				t.Errorf("%s: no %s", test.line, name)
			}
		}
		dirs := strings.Join(p.Path(), ":")
		if dirs = strings.ReplaceAll(dirs, "/bin:/bin", "/bin"); dirs != test.path {
			t.Errorf("%s: the folders of PATH are %s, want %s", test.line, dirs, test.path)
		}
	}
}

// What the image's PATH leads to is what the host's led to, or there is no image.
func TestLawHoldsForInterpreters(t *testing.T) {
	host := onDisk(t, scripts)
	for _, test := range []struct{ line, want string }{
		{"--bin /opt/tool --add /data/snake:/opt/snake", "in the image /opt/tool would load /opt/snake as snake instead of the host's /usr/local/bin/snake"},
	} {
		err := makeError(t, host, test.line)
		var law *plan.LawError
		if !errors.As(err, &law) || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.line, err, test.want)
		}
	}
}
