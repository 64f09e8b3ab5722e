// Package diagnosis tells what messages of engines, loaders and programs mean
// that do not find what they need in an image, and which of the possible causes
// holds in a given one.
//
// The messages, what they mean and their causes are data, in book/: a translation
// is a book of the same names with other texts. A cause is looked for with the
// rules of [lint], the same that harvest lint prints, or holds if certain paths
// are not there.
//
// Nothing of the image is run, so what only shows at run time, such as a mount or
// a flag of the engine, is never a cause that holds; the texts speak of it where
// it is usual.
package diagnosis
