package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// syscallInfo is struct ptrace_syscall_info of linux/ptrace.h, which is the same
// on all architectures.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // instruction and stack pointer
	data [8]uint64 // at entry the number and its arguments, at exit the result and whether it is an error
}

const (
	atEntry = 1 // PTRACE_SYSCALL_INFO_ENTRY
	atExit  = 2 // PTRACE_SYSCALL_INFO_EXIT
)

// syscall logs the system call that a thread is stopped in.
func (t *tracer) syscall(k *task) {
	var info syscallInfo
	if ptrace(unix.PTRACE_GET_SYSCALL_INFO, k.tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))) != nil {
		return
	}
	switch {
	case info.op == atEntry:
		k.pending = t.enter(k, info.arch, info.data[0], info.data[1:7])
	case info.op == atExit && k.pending != nil:
		t.leave(k, int64(info.data[0]))
		k.pending = nil
	}
}

// x32 is set in the numbers of system calls of that ABI, which are otherwise
// those of amd64 as far as files are concerned.
const x32 = 0x40000000

// enter returns the call that a thread enters, nil if it names no file or what
// it does is left out.
func (t *tracer) enter(k *task, arch uint32, number uint64, args []uint64) *call {
	if arch == unix.AUDIT_ARCH_X86_64 {
		number &^= x32
	}
	word := wordSize(arch)
	name := numbers[arch][number]
	if name == "socketcall" {
		name, args = k.socketcall(args)
	}
	if name == "io_uring_setup" && !k.quiet {
		t.log.note(uringNote)
	}
	op, ok := operations[name]
	if !ok || k.quiet && op.operands[0].use != Executed {
		return nil
	}
	c := &call{operation: op, flags: op.always}
	if op.flags > 0 {
		c.flags = args[op.flags]
	}
	if op.howFlags {
		c.flags = k.word(args[op.flags], 8)
	}
	if op.args > 0 {
		c.args = k.strings(args[op.args], word)
	}
	for _, o := range op.operands {
		c.names = append(c.names, k.operand(o, args))
	}
	if op.operands[0].use == opens && c.flags&openCreate != 0 && c.names[0] != "" {
		_, err := os.Lstat(fmt.Sprintf("/proc/%d/root%s", k.tid, c.names[0]))
		c.fresh = os.IsNotExist(err)
	}
	return c
}

// leave logs the call that a thread has entered, with its result.
func (t *tracer) leave(k *task, value int64) {
	c, r := *k.pending, done
	if -4096 < value && value < 0 {
		r = resultOf(syscall.Errno(-value))
	}
	isExec := c.operands[0].use == Executed
	if isExec && r == done {
		k.quiet = false
	}
	t.log.add(k.program, c, r)
	if isExec && r == done {
		k.program = program(k.tid)
		t.dropped(k.tid, c.names[0])
	}
}

func resultOf(errno syscall.Errno) result {
	switch errno {
	case unix.ENOENT, unix.ENOTDIR:
		return missing
	case unix.EACCES, unix.EPERM:
		return refused
	}
	return failed
}

// dropped notes that a program lacks the privileges that it has otherwise:
// execve(2) gives none to whoever is traced by somebody without them.
func (t *tracer) dropped(tid int, name string) {
	info, err := os.Stat(fmt.Sprintf("/proc/%d/exe", tid))
	if err != nil || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) == 0 {
		return
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if info.Mode()&fs.ModeSetuid != 0 && effective(tid, "Uid:") != fmt.Sprint(file.Uid) ||
		info.Mode()&fs.ModeSetgid != 0 && effective(tid, "Gid:") != fmt.Sprint(file.Gid) {
		t.log.note(name + " runs without its set-user-ID or set-group-ID privileges while it is traced; root can trace it with them")
	}
}

// effective returns the effective ID of a thread from /proc.
func effective(tid int, field string) string {
	ids := status(tid, field)
	if len(ids) < 2 {
		return ""
	}
	return ids[1]
}

// parent returns the process that a thread is of, or, if it is the first of its
// process, that of its parent.
func parent(tid int) int {
	for _, field := range []string{"Tgid:", "PPid:"} {
		if ids := status(tid, field); len(ids) == 1 && ids[0] != strconv.Itoa(tid) {
			id, _ := strconv.Atoi(ids[0]) // the kernel writes numbers
			return id
		}
	}
	return 0
}

// status returns the words of a field of a thread's status in /proc.
func status(tid int, field string) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// operand returns the absolute name that an argument means, "" if it is none.
func (k *task) operand(o operand, args []uint64) string {
	switch o.kind {
	case byFile:
		return k.link(fmt.Sprintf("fd/%d", int32(args[o.name])))
	case bySocket:
		return k.socket(args[o.name], args[o.name+1])
	}
	name := k.string(args[o.name])
	if name == "" || strings.HasPrefix(name, "/") {
		return join("", name)
	}
	dir := "cwd"
	if o.dir != cwd && int32(args[o.dir]) != unix.AT_FDCWD {
		dir = fmt.Sprintf("fd/%d", int32(args[o.dir]))
	}
	return join(k.link(dir), name)
}

// program returns the name of the program that a thread runs.
func program(tid int) string { return (&task{tid: tid}).link("exe") }

// link returns what a link of a thread in /proc leads to, as the thread sees it,
// "" if it has no name.
func (k *task) link(name string) string {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", k.tid, name))
	if err != nil || !strings.HasPrefix(target, "/") || strings.HasSuffix(target, " (deleted)") {
		return ""
	}
	root, err := os.Readlink(fmt.Sprintf("/proc/%d/root", k.tid))
	if err != nil || root == "/" {
		return target
	}
	if below, ok := strings.CutPrefix(target, root); ok && (below == "" || below[0] == '/') {
		return join("", below)
	}
	return target
}

// socket returns the name of a socket from its address, "" if it has none.
func (k *task) socket(address, size uint64) string {
	const familySize = 2
	if size <= familySize || size > 110 { // struct sockaddr_un
		return ""
	}
	raw := k.bytes(address, int(size))
	if len(raw) <= familySize || binary.NativeEndian.Uint16(raw) != unix.AF_UNIX || raw[familySize] == 0 {
		return ""
	}
	name, _, _ := bytes.Cut(raw[familySize:], []byte{0})
	if name[0] == '/' {
		return join("", string(name))
	}
	return join(k.link("cwd"), string(name))
}

// socketcall returns the call that socketcall(2) stands for, and its arguments.
func (k *task) socketcall(args []uint64) (string, []uint64) {
	const bind, connect = 2, 3
	if args[0] != bind && args[0] != connect {
		return "", nil
	}
	list := make([]uint64, 6)
	for i := range uint64(3) {
		list[i] = k.word(args[1]+4*i, 4)
	}
	if args[0] == bind {
		return "bind", list
	}
	return "connect", list
}

// strings reads a list of strings that a null ends; what is too much is left
// out.
func (k *task) strings(list uint64, word int) []string {
	const most = 1024
	var s []string
	for len(s) < most {
		address := k.word(list, word)
		if address == 0 {
			break
		}
		s = append(s, k.string(address))
		list += uint64(word)
	}
	return s
}

// is64Bit is set in the architectures of that word size, __AUDIT_ARCH_64BIT of
// linux/audit.h.
const is64Bit = 0x80000000

func wordSize(arch uint32) int {
	if arch&is64Bit != 0 {
		return 8
	}
	return 4
}

func (k *task) word(address uint64, size int) uint64 {
	raw := k.bytes(address, size)
	switch {
	case len(raw) < size:
		return 0
	case size == 4:
		return uint64(binary.NativeEndian.Uint32(raw))
	}
	return binary.NativeEndian.Uint64(raw)
}

// string reads a string that a zero ends, "" if it is none or longer than a name
// may be.
func (k *task) string(address uint64) string {
	const page = 4096 // or a multiple of it, up to which memory can be read if its first byte can
	var b []byte
	for len(b) <= unix.PathMax {
		part := k.bytes(address, int(page-address%page))
		if head, _, ok := bytes.Cut(part, []byte{0}); ok {
			return string(append(b, head...))
		}
		if len(part) == 0 {
			return ""
		}
		b = append(b, part...)
		address += uint64(len(part))
	}
	return ""
}

// bytes reads memory of a thread, as much of it as there is.
func (k *task) bytes(address uint64, size int) []byte {
	if address == 0 || address != uint64(uintptr(address)) {
		return nil
	}
	b := make([]byte, size)
	n, err := unix.ProcessVMReadv(k.tid, []unix.Iovec{vector(b)}, []unix.RemoteIovec{{Base: uintptr(address), Len: size}}, 0)
	if err == nil {
		return b[:n]
	}
	if n, err = unix.PtracePeekData(k.tid, uintptr(address), b); err != nil && n <= 0 {
		return nil
	}
	return b[:n]
}

func vector(b []byte) unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}

// ptrace is ptrace(2), which golang.org/x/sys has only parts of.
func ptrace(request, tid int, address, data uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), address, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// wait4 is wait4(2), begun again when a signal ends it.
func wait4(pid int, status *unix.WaitStatus, options int) (int, error) {
	for {
		tid, err := unix.Wait4(pid, status, options, nil)
		if !errors.Is(err, syscall.EINTR) {
			return tid, err
		}
	}
}
