package elftest

import (
	"cmp"
	"debug/elf"
	"fmt"
	"strconv"
	"strings"
)

// Parse returns the file that the words after elf in a line of [ParseRoot] describe, without mode=.
func Parse(text string) (*File, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	return parseFile(words)
}

func parseFile(words []string) (*File, error) {
	f := new(File)
	for _, wantLast := range []bool{false, true} {
		for _, word := range words {
			if isLast(word) != wantLast {
				continue
			}
			if err := f.set(word); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// isLast reports whether a word takes the structure from the image that other damage needs.
func isLast(word string) bool { return word == "garbage" || strings.HasPrefix(word, "truncate=") }

// set adds what one word says.
func (f *File) set(word string) error {
	key, value, hasValue := strings.Cut(word, "=")
	if hasValue {
		return f.setValue(key, value)
	}
	switch word {
	case "static":
		f.Static = true
	case "sections":
		f.Sections = true
	case "nodeflib":
		f.Flags1 |= elf.DF_1_NODEFLIB
	case "empty-needed":
		f.Dynamic = append(f.Dynamic, Dyn{Tag: elf.DT_NEEDED})
	case "dynamic-past-end":
		f.Damage = append(f.Damage, DynamicPastEnd())
	case "section-dynamic-renamed":
		f.Damage = append(f.Damage, SectionDynamicRenamed())
	case "section-dynstr-lies":
		f.Damage = append(f.Damage, SectionDynstrLies())
	case "garbage":
		f.Damage = append(f.Damage, Garbage())
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// dynWords are the words for entries of PT_DYNAMIC; list says that commas separate several.
var dynWords = map[string]struct {
	tag  elf.DynTag
	list bool
}{
	"needed":    {elf.DT_NEEDED, true},
	"filter":    {elf.DT_FILTER, true},
	"auxiliary": {elf.DT_AUXILIARY, true},
	"audit":     {elf.DT_AUDIT, true},
	"depaudit":  {elf.DT_DEPAUDIT, true},
	"soname":    {elf.DT_SONAME, false},
	"rpath":     {elf.DT_RPATH, false},
	"runpath":   {elf.DT_RUNPATH, false},
}

// setValue adds what KEY=VALUE says.
func (f *File) setValue(key, value string) error {
	if dyn, ok := dynWords[key]; ok {
		f.addDyn(dyn.tag, dyn.list, value)
		return nil
	}
	switch key {
	case "interp":
		f.Interp = value
	case "import":
		f.Imports = append(f.Imports, strings.Split(value, ",")...)
	case "export":
		f.Exports = append(f.Exports, strings.Split(value, ",")...)
	case "verdef":
		f.VerDef = append(f.VerDef, strings.Split(value, ",")...)
	case "verneed":
		file, versions, _ := strings.Cut(value, ":")
		f.VerNeed = append(f.VerNeed, VerNeed{file, strings.Split(versions, ",")})
	case "dlopen":
		f.Notes = append(f.Notes, Dlopen(value))
	case "text":
		f.Text = append(f.Text, value...)
	case "glibc":
		f.Text = append(f.Text, glibcText(value)...)
	case "musl":
		f.Text = append(f.Text, muslText(value)...)
	case "class", "data", "machine", "type", "osabi":
		return f.setIdentity(key, value)
	default:
		return f.setNumber(key, value)
	}
	return nil
}

func (f *File) addDyn(tag elf.DynTag, list bool, value string) {
	names := []string{value}
	if list {
		names = strings.Split(value, ",")
	}
	for _, name := range names {
		f.Dynamic = append(f.Dynamic, Dyn{Tag: tag, Str: name})
	}
}

// setNumber adds what KEY=NUMBER says.
func (f *File) setNumber(key, value string) error {
	_, isHeader := headerFields[key]
	n, err := strconv.ParseUint(value, 0, 64)
	switch {
	case isHeader:
		f.Damage = append(f.Damage, Header(key, n))
	case key == "flags":
		f.Flags = uint32(n)
	case key == "flags1":
		f.Flags1 |= elf.DynFlag1(n)
	case key == "needed-offset":
		f.Dynamic = append(f.Dynamic, Dyn{Tag: elf.DT_NEEDED, Val: n})
	case key == "dynamic-filesz":
		f.Damage = append(f.Damage, DynamicFilesz(n))
	case key == "truncate":
		f.Damage = append(f.Damage, Truncate(int(n)))
	default:
		return fmt.Errorf("unknown word %q", key+"="+value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// machine is an e_machine with the class and byte order that go with its name.
type machine struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

var machines = map[string]machine{
	"x86_64":      {elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"386":         {elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"aarch64":     {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"arm":         {elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"loongarch64": {elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"mips":        {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB},
	"mipsel":      {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"mips64":      {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"mips64el":    {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"ppc":         {elf.EM_PPC, elf.ELFCLASS32, elf.ELFDATA2MSB},
	"ppc64":       {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"ppc64le":     {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"riscv32":     {elf.EM_RISCV, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"riscv64":     {elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"s390":        {elf.EM_S390, elf.ELFCLASS32, elf.ELFDATA2MSB},
	"s390x":       {elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"sparc64":     {elf.EM_SPARCV9, elf.ELFCLASS64, elf.ELFDATA2MSB},
}

// identities are the names of values of the ELF header.
var identities = map[string]map[string]uint64{
	"class": {"32": uint64(elf.ELFCLASS32), "64": uint64(elf.ELFCLASS64)},
	"data":  {"lsb": uint64(elf.ELFDATA2LSB), "msb": uint64(elf.ELFDATA2MSB)},
	"type": {
		"exec": uint64(elf.ET_EXEC), "dyn": uint64(elf.ET_DYN), "rel": uint64(elf.ET_REL), "core": uint64(elf.ET_CORE),
	},
	"osabi": {
		"sysv": uint64(elf.ELFOSABI_NONE), "gnu": uint64(elf.ELFOSABI_LINUX), "linux": uint64(elf.ELFOSABI_LINUX),
		"freebsd": uint64(elf.ELFOSABI_FREEBSD), "standalone": uint64(elf.ELFOSABI_STANDALONE),
	},
}

// setIdentity sets a field of the ELF header that has names for its values.
func (f *File) setIdentity(key, value string) error {
	m, isMachine := machines[value]
	if key == "machine" && isMachine {
		f.Machine, f.Class, f.Data = m.machine, cmp.Or(f.Class, m.class), cmp.Or(f.Data, m.data)
		return nil
	}
	n, ok := identities[key][value]
	if !ok && (key == "class" || key == "data") {
		return fmt.Errorf("unknown %s %q", key, value)
	}
	if !ok {
		var err error
		if n, err = strconv.ParseUint(value, 0, 16); err != nil {
			return fmt.Errorf("unknown %s %q", key, value)
		}
	}
	switch key {
	case "class":
		f.Class = elf.Class(n)
	case "data":
		f.Data = elf.Data(n)
	case "machine":
		f.Machine = elf.Machine(n)
	case "type":
		f.Type = elf.Type(n)
	case "osabi":
		f.OSABI = elf.OSABI(n)
	}
	return nil
}

// glibcText returns strings of a glibc loader: the magic and the path of its cache, and twice, as since 2.34, its
// default directories. Each of the strings around those could not be one of them.
func glibcText(dirs string) string {
	var run strings.Builder
	for dir := range strings.SplitSeq(dirs, ":") {
		run.WriteString(strings.TrimSuffix(dir, "/") + "/\x00")
	}
	return "ld.so\x00glibc-ld.so.cache1.1\x00/etc/ld.so.cache\x00" + run.String() +
		"cannot create search path array\x00path.system_dirs\x00" + run.String() + "dl_platform\x00"
}

// muslText returns strings of a musl loader: the path of its path file, the default directories, and a run of
// directories for other purposes, which is not to be taken for those of glibc.
func muslText(arch string) string {
	return "/etc/ld-musl-" + arch + ".path\x00/lib:/usr/local/lib:/usr/lib\x00" +
		"TZ\x00/usr/share/zoneinfo/\x00/share/zoneinfo/\x00/etc/zoneinfo/\x00"
}
