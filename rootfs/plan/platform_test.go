package plan_test

import (
	"debug/elf"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

func TestPlatformsAreKnown(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"linux/amd64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/v6", "linux/arm/v6"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/mips64le", "linux/mips64le"},
		{"arm64", `platform "arm64" is not linux/ARCH[/VARIANT], as in linux/arm64`},
		{"windows/amd64", `platform "windows/amd64" is not linux/ARCH[/VARIANT], as in linux/arm64`},
		{"linux/", `platform "linux/" is not linux/ARCH[/VARIANT], as in linux/arm64`},
		{"linux/arm/", `platform "linux/arm/" is not linux/ARCH[/VARIANT], as in linux/arm64`},
		{"linux/x86_64", `platform "linux/x86_64": there is no architecture x86_64, but 386, amd64, arm, arm64, loong64, mips, ` +
			`mips64, mips64le, mips64p32, mips64p32le, mipsle, ppc, ppc64, ppc64le, riscv32, riscv64, s390, s390x, sparc64`},
		{"linux/arm64/v9", `platform "linux/arm64/v9": the variants of arm64 are v8`},
		{"linux/arm/7", `platform "linux/arm/7": the variants of arm are v5, v6, v7, v8`},
		{"linux/386/v1", `platform "linux/386/v1": 386 has no variants`},
	} {
		p, err := plan.ParsePlatform(tt.name)
		got := string(p)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// Whatever elfdeps knows of programs can be asked for.
func TestPlatformsOfProgramsAreKnown(t *testing.T) {
	machines := []elf.Machine{
		elf.EM_X86_64, elf.EM_386, elf.EM_AARCH64, elf.EM_ARM, elf.EM_PPC64, elf.EM_PPC, elf.EM_S390,
		elf.EM_RISCV, elf.EM_LOONGARCH, elf.EM_MIPS, elf.EM_SPARCV9,
	}
	for _, machine := range machines {
		for _, class := range []elf.Class{elf.ELFCLASS32, elf.ELFCLASS64} {
			for _, data := range []elf.Data{elf.ELFDATA2LSB, elf.ELFDATA2MSB} {
				for _, flags := range []uint32{0, 0x4, 0x20, 0x400, 0x420} {
					name := elfdeps.Arch{Machine: machine, Class: class, Data: data, Flags: flags}.String()
					if p, err := plan.ParsePlatform(name); err != nil || string(p) != name {
						t.Errorf("%s is %s, %v", name, p, err)
					}
				}
			}
		}
	}
}

const arms = `
	/bin/bash     elf machine=arm flags=0x5000400 interp=/lib/ld.so needed=liba.so
	/lib/ld.so    elf machine=arm flags=0x5000400 soname=ld.so glibc=/lib/:/usr/lib/
	/lib/liba.so  elf machine=arm flags=0x5000400 soname=liba.so
	/bin/go       elf machine=arm flags=0x5000000 static
	/bin/soft     elf machine=arm flags=0x5000200 static
	/bin/armel    elf machine=arm flags=0x5000000 interp=/lib/ld.so
	/bin/amd64    elf static
`

// A static program that passes no floats to anybody runs beside either ABI, and
// Go marks its programs with none.
func TestAStaticProgramForArmFitsEitherABI(t *testing.T) {
	host := onDisk(t, arms)
	for line, want := range map[string]string{
		"--bin /bin/go --bin /bin/bash":                         "linux/arm/v7",
		"--bin /bin/bash --bin /bin/go":                         "linux/arm/v7",
		"--bin /bin/bash --bin /bin/go --platform linux/arm/v7": "linux/arm/v7",
		"--bin /bin/go --platform linux/arm":                    "linux/arm/v7",
		"--bin /bin/go --platform linux/arm/v5":                 "linux/arm/v5",
		"--bin /bin/go":                                         "linux/arm/v5",
		"--bin /bin/go --bin /bin/soft":                         "linux/arm/v5",
	} {
		if got := makePlan(t, host, line+" --bare").Arch.String(); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for line, want := range map[string]string{
		"--bin /bin/bash --bin /bin/soft":       "one image cannot be for two platforms: /bin/bash is for linux/arm/v7, /bin/soft for linux/arm/v5",
		"--bin /bin/go --bin /bin/amd64":        "one image cannot be for two platforms: /bin/amd64 is for linux/amd64, /bin/go for linux/arm/v5",
		"--bin /bin/soft --platform linux/arm":  "/bin/soft is for linux/arm/v5, not for linux/arm/v7",
		"--bin /bin/go --platform linux/arm/v6": "/bin/go is for linux/arm/v5, not for linux/arm/v6",
		"--bin /bin/go --platform linux/amd64":  "/bin/go is for linux/arm/v5, not for linux/amd64",
	} {
		same(t, makeError(t, host, line+" --bare").Error(), want)
	}
}
