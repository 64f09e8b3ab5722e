// Package elftest builds tiny ELF files, and the root file systems they live in, from one line of text each.
//
//	root := elftest.MustRoot(t, `
//		/usr/bin/app                 elf interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so.1 runpath=$ORIGIN/../lib
//		/usr/lib/liba.so.1           elf soname=liba.so.1 needed=libc.so.6
//		/lib64                       -> usr/lib64
//		/usr/lib64/libc.so.6         elf soname=libc.so.6 verdef=GLIBC_2.2.5
//		/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib64/:/usr/lib64/
//		/etc/ld.so.cache             cache libc.so.6=/lib64/libc.so.6
//	`)
//
// A line is a path, a kind, and the words of that kind, separated by blanks. Blank lines and lines that begin with #
// are ignored. A piece of a word may be quoted: "..." as in Go, '...' verbatim. Parent directories appear as needed. A
// parent that is a symbolic link is followed, wherever the line of that link is: the loader above is in /usr/lib64.
//
//	PATH elf WORD...       an ELF file
//	PATH -> TARGET         a symbolic link
//	PATH hard OTHER        a second name of a file of an earlier line
//	PATH text CONTENT      a file with that content
//	PATH cache WORD...     an ld.so.cache
//	PATH dir               a directory
//	PATH fifo              and socket, device: files that nobody must open
//
// All but -> and hard take mode=OCTAL, by default 0755 for elf and dir and 0644 for the rest.
//
// # Words of elf
//
// The file is x86-64, shared, and without section headers unless the words say otherwise. Numbers are as in Go; a LIST
// is separated by commas, and its word may be repeated.
//
//	machine=NAME      x86_64, 386, s390x, ppc64le ... or a number; sets class and data unless they are given
//	class=32 data=msb type=exec osabi=gnu flags=0x400        type and osabi take a number as well
//	interp=PATH       PT_INTERP
//	needed=LIST filter=LIST auxiliary=LIST audit=LIST depaudit=LIST
//	soname=NAME rpath=PATHS runpath=PATHS
//	                  dynamic entries, in the order of the words
//	flags1=N          DT_FLAGS_1; nodeflib is flags1=0x800
//	import=LIST export=LIST          undefined and defined dynamic symbols
//	verneed=FILE:LIST verdef=LIST    symbol versions
//	dlopen=JSON       a note as in .note.dlopen; may be repeated
//	text=BYTES        bytes for the loaded segment; may be repeated
//	glibc=DIRS        the strings by which a glibc loader is known; DIRS are its default directories, separated by :
//	musl=ARCH         the strings by which a musl loader is known
//	static            no PT_DYNAMIC
//	sections          a section table, for readers that want one
//
// These words damage the file, in their order but for those of the last line:
//
//	empty-needed needed-offset=N     a DT_NEEDED with an empty name, with that string offset
//	abiversion=N phentsize=N phnum=N shoff=N shentsize=N shnum=N shstrndx=N    header fields
//	dynamic-past-end dynamic-filesz=N    the PT_DYNAMIC header
//	section-dynamic-renamed section-dynstr-lies    the section table; want sections
//	truncate=N garbage               keep N bytes; flip bits in every byte
//
// # Words of cache
//
// Entries are SONAME=PATH, with ;flags=N (0x303 unless given) and ;hwcap=N or ;hwcap=NAME behind it.
//
//	big           in big-endian order
//	compat        behind a cache of the old format
//	unsorted      entries in the order of the words, which no loader can search
//	truncate=N garbage    as for elf
//
// # What it refuses
//
// elftest knows the words above and no others: a misspelt word is an error with the number of its line. It does not
// link: files hold no code and cannot run, but the real loader maps and lists them. [os.CopyFS] puts a root without
// fifos, sockets and devices on the disk for that.
package elftest
