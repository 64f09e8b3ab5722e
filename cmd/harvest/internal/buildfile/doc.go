// Package buildfile reads and writes harvest.yaml, the file that says what the
// flags of a build can say.
//
// A file is another way of writing flags, and nothing more: each key stands for
// one flag, [Keys] is the table, and [Read] gives the settings in the order in
// which a command line would have them. So both give the same image. What is on
// the command line too is the caller's to decide.
//
// # Includes
//
// What a file includes comes before what it says itself, wherever the key
// stands. A file that is included more than once counts where it is met first;
// one that leads back to itself is an error.
//
// # Paths
//
// A path that is relative is relative to the file that has it. Below another
// root there is nothing that it could be relative to but that root.
//
// # Strictness
//
// Unknown keys, keys that are there twice, values of another kind, empty values,
// tags, anchors and aliases, and a second document are errors, each with file,
// line and column; all of them are returned, joined. Scalars are taken as they
// are written: 0750 is those four characters, and so is 1.10.
package buildfile
