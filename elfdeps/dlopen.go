package elfdeps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A Dlopen is a library that a file opens with dlopen(3), if it comes to that:
// what a note of the file says, as specified by the UAPI group's "ELF dlopen
// metadata", or what is known of glibc.
type Dlopen struct {
	Sonames     []string // in order of preference: the first that is there serves
	Priority    Priority
	Feature     string // what the library is for, "" if that is not said
	Description string // likewise, for people
}

// A Priority says how much a program misses of itself without a library that
// it would dlopen.
type Priority uint8

// The priorities. Of a [Resolver], each stands for itself and those before it.
const (
	NoDlopen    Priority = iota // what is opened later is not followed
	Required                    // the program does not work without
	Recommended                 // some of its main functions are gone
	Suggested                   // something is gone that few want
)

var priorities = []string{"none", "required", "recommended", "suggested"}

// ParsePriority returns the priority of a name: none, required, recommended or
// suggested.
func ParsePriority(name string) (Priority, error) {
	i := slices.Index(priorities, name)
	if i < 0 {
		return NoDlopen, fmt.Errorf("unknown priority %q: there are %s", name, strings.Join(priorities, ", "))
	}
	return Priority(i), nil
}

// String returns the name of the priority.
func (p Priority) String() string { return priorities[p] }

// The note of a file that names libraries (UAPI.10).
const (
	dlopenOwner = "FDO\x00"
	dlopenType  = 0x407c0c0a
	maxNote     = 1 << 20 // bytes of JSON in all of them. Real ones have a few hundred.
)

// notes reads what the notes of a PT_NOTE segment say of dlopen. Notes whose
// text is not understood are passed over, as readers of the specification shall.
func (d *decoder) notes(f *File, s segment) error {
	const header = 12 // sizes of name and description, type
	align := max(s.align, 4)
	if align != 4 && align != 8 {
		return nil // which no loader reads either
	}
	if s.off > uint64(d.size) || s.filesz > uint64(d.size)-s.off {
		return damaged("%d bytes at %#x for PT_NOTE are more than the file's %d", s.filesz, s.off, d.size)
	}
	for at := uint64(0); at+header < s.filesz; {
		b, err := d.near(s.off+at, header, "a note")
		if err != nil {
			return err
		}
		nameLen, descLen, typ := uint64(d.order.Uint32(b)), uint64(d.order.Uint32(b[4:])), d.order.Uint32(b[8:])
		desc := alignUp(at+header+nameLen, align)
		if desc+descLen > s.filesz {
			return damaged("a note of %d bytes at %#x runs over the end of PT_NOTE", descLen, s.off+desc)
		}
		if typ == dlopenType && nameLen == uint64(len(dlopenOwner)) {
			if err := d.dlopenNote(f, s.off+at+header, s.off+desc, descLen); err != nil {
				return err
			}
		}
		at = alignUp(desc+descLen, align)
	}
	return nil
}

func alignUp(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }

// dlopenNote reads a note that is one of dlopen if its owner is the right one.
func (d *decoder) dlopenNote(f *File, name, desc, size uint64) error {
	owner, err := d.near(name, uint64(len(dlopenOwner)), "the owner of a note")
	if err != nil || string(owner) != dlopenOwner {
		return err
	}
	if d.noted += size; d.noted > maxNote {
		return damaged("notes of more than %d bytes", maxNote)
	}
	text, err := d.bytes(desc, size, "a note")
	if err != nil {
		return err
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	f.Dlopen = append(f.Dlopen, parseDlopen(text)...)
	return nil
}

// parseDlopen returns what the text of a note says: an array of objects, or,
// as first drafts had it, one object.
func parseDlopen(text []byte) []Dlopen {
	type entry struct {
		Soname      oneOrMore `json:"soname"`
		Priority    string    `json:"priority"`
		Feature     string    `json:"feature"`
		Description string    `json:"description"`
	}
	var entries []entry
	if err := json.Unmarshal(text, &entries); err != nil {
		var one entry
		if err := json.Unmarshal(text, &one); err != nil {
			return nil
		}
		entries = []entry{one}
	}
	var list []Dlopen
	for _, e := range entries {
		priority, err := ParsePriority(e.Priority)
		if err != nil || priority == NoDlopen {
			priority = Recommended // the specification's default
		}
		sonames := slices.DeleteFunc(e.Soname, func(name string) bool { return name == "" })
		if len(sonames) > 0 {
			list = append(list, Dlopen{sonames, priority, e.Feature, e.Description})
		}
	}
	return list
}

// oneOrMore is a JSON string, or an array of them.
type oneOrMore []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*s = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}
