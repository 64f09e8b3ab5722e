// Package draft makes a harvest.yaml of what a command was seen to use, for
// somebody to read before anything is built from it.
//
// Into the file go, in this order:
//
//   - binaries: the programs that were executed, scripts included. Libraries that
//     their closure has are left out, because a build finds them.
//   - files: what was opened or looked at, by the package that owns it. That is
//     where libraries are that a program opens by itself. A folder stands for its
//     files if it was listed and four fifths of at least four files below it were
//     used, and nothing below it is left out for a reason below. Files that were
//     only looked at count unless their folder was listed and nothing in it was
//     read: that was somebody browsing.
//   - paths: folders that were listed or entered and hold nothing of the above, and
//     those that the command wrote into.
//
// Everything else is a comment with the reason. Never in the list are homes,
// whatever may be a secret by its place, its name or by holding a private key,
// what the kernel, the engine or harvest itself provides, temporary files, caches,
// logs, and what the command made itself. Names that lead there through a link
// are treated as what they lead to. No content of any file is ever written.
package draft
