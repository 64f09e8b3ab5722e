package plan

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"

	"github.com/harvest-oci/harvest/rootfs"
)

// forged returns an ELF file whose header names another processor.
func forged(e *rootfs.Entry) *rootfs.Entry {
	f := rootfs.FileFrom(e.Path, e.Mode, e.Size, forgery{e})
	f.UID, f.GID, f.ModTime, f.XAttrs, f.Why = e.UID, e.GID, e.ModTime, e.XAttrs, e.Why
	return f
}

// A forgery is an ELF file with another e_machine.
type forgery struct{ of *rootfs.Entry }

// Open opens the file that was forged.
func (f forgery) Open() (fs.File, error) {
	file, err := f.of.Open()
	if err != nil {
		return nil, err
	}
	at, ok := file.(io.ReaderAt)
	head := make([]byte, machineAt+2)
	if ok {
		_, err = at.ReadAt(head, 0)
	}
	if !ok || err != nil {
		file.Close()
		return nil, fmt.Errorf("reading the header of %s: %w", f.of.Path, err)
	}
	return &forgedFile{File: file, at: at, machine: otherMachine(head)}, nil
}

// machineAt is where e_machine stands, which is two bytes (gABI).
const machineAt = 18

// otherMachine returns e_machine of another processor with words of the same kind,
// so that nothing else of the header is wrong.
func otherMachine(head []byte) [2]byte {
	little := elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2LSB
	pair := [2]elf.Machine{elf.EM_PPC64, elf.EM_S390}
	switch wide := elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64; {
	case little && wide:
		pair = [2]elf.Machine{elf.EM_AARCH64, elf.EM_X86_64}
	case little:
		pair = [2]elf.Machine{elf.EM_ARM, elf.EM_386}
	case !wide:
		pair = [2]elf.Machine{elf.EM_PPC, elf.EM_MIPS}
	}
	for _, m := range pair {
		bytes := [2]byte{byte(m >> 8), byte(m)}
		if little {
			bytes = [2]byte{byte(m), byte(m >> 8)}
		}
		if bytes != [2]byte(head[machineAt:]) {
			return bytes
		}
	}
	panic("BUG: one machine is two")
}

// A forgedFile reads as its file does, but for e_machine.
type forgedFile struct {
	fs.File
	at      io.ReaderAt
	machine [2]byte
	read    int64
}

// Stat does not tell the file apart by its inode, which is another file's.
func (f *forgedFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return forgedInfo{info}, err
}

type forgedInfo struct{ fs.FileInfo }

func (forgedInfo) Sys() any { return nil }

func (f *forgedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.forge(p[:n], f.read)
	f.read += int64(n)
	return n, err
}

func (f *forgedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.at.ReadAt(p, off)
	f.forge(p[:n], off)
	return n, err
}

// forge writes e_machine over what was read from an offset on.
func (f *forgedFile) forge(p []byte, off int64) {
	for i, b := range f.machine {
		if at := machineAt + int64(i) - off; at >= 0 && at < int64(len(p)) {
			p[at] = b
		}
	}
}
