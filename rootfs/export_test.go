package rootfs

// Resolve is how a host finds a path.
func Resolve(h *Host, name string, last bool) (string, error) {
	real, _, err := h.find(name, last)
	return real, err
}

// ResolveSlowly is the walk that Resolve is to be equal to.
func ResolveSlowly(h *Host, name string, last bool) (string, error) {
	return resolve(name, last, h.look)
}
