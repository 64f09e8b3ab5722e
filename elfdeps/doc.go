// Package elfdeps finds out what a program needs, an ELF file or a script: which
// files the kernel and the dynamic loader open when it starts, and under which
// names.
//
// # The search
//
// The loader's link map is simulated, breadth first, one for each program,
// because the answer to a name depends on what is loaded already. As glibc's
// _dl_map_object does, for each name that an object needs:
//
//  1. A name that an object in the link map has already, as path, soname or
//     name it was found under, is that object.
//  2. A name with a slash is opened as it is, after expansion of $ORIGIN, $LIB
//     and $PLATFORM.
//  3. Unless the object has a DT_RUNPATH: the DT_RPATH of the object, of the one
//     that loaded it, and so on up to the program.
//  4. The library path, which stands for LD_LIBRARY_PATH.
//  5. The DT_RUNPATH of the object, and of no other.
//  6. ld.so.cache, as far as its entries are for this architecture and ask
//     nothing special of the processor.
//  7. The directories built into the loader, which are read out of the very
//     file that PT_INTERP names.
//  8. Where there is no ld.so.cache: the directories that ld.so.conf lists, which
//     ldconfig would put into one.
//
// For a processor that is said to have some of glibc-hwcaps, these come first in
// every directory and in the cache. A loader of glibc up to 2.36 for x86-64 then
// looks into tls and x86_64 below the directory. At the end, the versions that objects need
// (DT_VERNEED) are compared with those that others have (DT_VERDEF).
//
// What objects open later is followed as far as a [Resolver]'s Dlopen says: by
// their own notes, each library looked for as if the object needed it.
//
// A file for another machine is passed over. One that is no library at all ends
// the search, as it ends the program. A file that is in the link map under
// another name is that object.
//
// A program whose interpreter is musl's goes by musl's rules instead, as
// load_library has them:
//
//  1. libc and its parts (libm.so.6, libpthread.so.0 ...) are the loader itself.
//  2. A name that a search has found before is what it found. Sonames play no
//     part.
//  3. The library path; then the DT_RUNPATH or else DT_RPATH of the object, of the
//     one that loaded it, and so on up to the program.
//  4. The directories that /etc/ld-musl-ARCH.path lists, or without that file
//     /lib, /usr/local/lib and /usr/lib.
//
// There the first file that can be opened is taken, or ends the search.
//
// A script needs, by the kernel's rules, the program that its first line names,
// which may be a script again; and if that is env, the program that env is to
// start, as it finds it in PATH. Each of these has a link map of its own. The rest
// of a script is not looked at.
//
// Every edge of the result says which rule found it and what was tried before.
//
// # What it refuses
//
// The package reads files and never runs one. It looks at no section header,
// no environment variable and no path outside its file system, and knows no
// operating system: any [io/fs.FS] will do.
package elfdeps
