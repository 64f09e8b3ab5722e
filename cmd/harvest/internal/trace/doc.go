// Package trace tells what a command does with the names of files while it
// runs: which programs it executes, what it opens, lists and looks at, what it
// makes itself, and which names it asks for in vain.
//
// Run starts a command under ptrace(2) and follows every process and thread that
// comes of it; a StraceReader reads what strace(1) has written of one. Both give
// the same Log.
//
// Names are those of the traced process. A relative one is joined to the folder
// that it is relative to, which is the working directory or an open folder;
// after chroot(2) or in another mount namespace it is below that root. Symbolic
// links are not followed, and ".." is left as it stands, for what lies behind it
// is a question to the root: the log holds what was asked for.
//
// A log shows one run. What the command would open on another day, with another
// argument or in another locale, is not in it. Nor is what the kernel opens by
// itself, such as the interpreter of a script, or what goes through io_uring(7),
// of which the log has a note.
package trace
