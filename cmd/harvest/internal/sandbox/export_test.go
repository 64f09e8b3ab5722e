package sandbox

// WithoutOverlay has commands run in the root itself, as where the kernel has no
// overlayfs for the user.
func (r *Root) WithoutOverlay() { r.noOverlay = true }
