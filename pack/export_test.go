package pack

// TagOf is what the image spec calls the name of a reference.
func TagOf(full string) string { return tagOf(full) }
