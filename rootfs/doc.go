// Package rootfs describes root file systems: a [Host] is one that exists, a
// directory seen as under chroot(2); a [Tree] is one that is to be, held in
// memory as one [Entry] per path.
//
// Both are an [io/fs.FS] with ReadLink and Lstat, so whatever can look into one
// can look into the other. A tree holds metadata only: contents stay where they
// are until an entry is opened, and an entry whose file has changed since it was
// listed says so with [ErrChanged] instead of shipping something else.
//
// Adding a path of a host to a tree reproduces it component by component, as
// path_resolution(7) walks it: every symbolic link on the way becomes the same
// link, every folder keeps its mode and owner, and names of one inode stay hard
// links of each other.
//
// The package knows paths, modes and owners. It knows nothing of ELF or images,
// never follows a link out of a host's directory, and never opens a device, a
// socket or a pipe.
package rootfs
