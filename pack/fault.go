package pack

import "fmt"

// A FaultError is something wrong with an image that was read. It is the error of
// what cannot go on, and an element of what [Verify] returns.
type FaultError struct {
	Blob  string // "layer sha256:...", "config sha256:...", or a member: "index.json"
	Path  string // of a file in a layer, as the layer says it; "" for the whole blob
	Text  string // what is wrong
	Limit bool   // it is more than the bytes of [Limits], which is all that is wrong
}

func (f *FaultError) Error() string {
	if f.Path != "" {
		return fmt.Sprintf("%s: %s: %s", f.Blob, f.Path, f.Text)
	}
	return fmt.Sprintf("%s: %s", f.Blob, f.Text)
}

// faultf returns a fault of a whole blob.
func faultf(blob, format string, args ...any) *FaultError {
	return &FaultError{Blob: blob, Text: fmt.Sprintf(format, args...)}
}
