package elfdeps

// A slab is room for many small values, cut from a few large pieces of memory: a
// link map consists of little else. A piece lives as long as one of its values.
type slab[T any] struct{ free []T }

// take returns an empty slice with room for n values.
func (s *slab[T]) take(n int) []T {
	const piece = 64
	if n == 0 {
		return nil
	}
	if n > len(s.free) {
		s.free = make([]T, max(n, piece))
	}
	room := s.free[:0:n]
	s.free = s.free[n:]
	return room
}

// new returns a value that v is copied to.
func (s *slab[T]) new(v T) *T {
	return &append(s.take(1), v)[0]
}
