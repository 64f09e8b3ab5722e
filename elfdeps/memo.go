package elfdeps

import "sync"

// A memo keeps the answer to each question. It may be used at the same time by
// many; of two who find an answer at once, the first one's stays.
type memo[Q comparable, A any] struct{ answers sync.Map }

// get returns the answer to q, which find gives when it is not known yet.
func (m *memo[Q, A]) get(q Q, find func() A) A {
	a, known := m.answers.Load(q)
	if !known {
		a, _ = m.answers.LoadOrStore(q, find())
	}
	return a.(A)
}
