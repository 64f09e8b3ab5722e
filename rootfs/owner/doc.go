// Package owner tells which package of the distribution a file belongs to, and
// what the package is: name, version, source, licence, files.
//
// It reads the databases that package managers leave in a root:
//
//	dpkg    /var/lib/dpkg/status, info/*.list; status.d, as distroless images have
//	apk     /lib/apk/db/installed
//	pacman  /var/lib/pacman/local/*/
//	rpm     rpmdb.sqlite, Packages.db or Packages; see package rpmdb
//
// Whose a path is, [Database.Of] decides by these rules:
//
//  1. Two names are of one file if their last components are the same and their
//     folders are, with all links followed. So /bin/sh and /usr/bin/sh are one
//     where /bin is a link, whichever of them is listed.
//  2. A file that dpkg has diverted (dpkg-divert(1)) belongs to the package that
//     lists it under the name that it had before, and what stands at that name to
//     the package that diverted it.
//  3. A link that no package lists, such as update-alternatives(1) makes, belongs
//     to the owner of what it leads to.
//  4. A folder that several packages list is nobody's.
//  5. Of several packages that list one file, the first by name has it.
//
// Everything else is nobody's: files that users or programs have made, such as
// ld.so.cache. The package does not guess, does not look into files to see
// whether they are as they were installed, and never runs a package manager.
package owner
