// Package report makes a page of an image that can be looked at: who needs whom
// and why, where the bytes are, what each file is there for, which packages they
// are of, where the digests come from, and what is not in the image.
//
// A page is one HTML file that asks for nothing over a network, and says so to the
// browser in a Content-Security-Policy. Its pictures are SVG that is drawn here, so
// it can be read and printed without JavaScript, which adds searching, sorting,
// following paths with the pointer, and copying. The same [Source] gives the same
// bytes.
//
// Names of files and packages may be hostile: all text goes through html/template.
package report
