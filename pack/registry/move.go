package registry

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// A mover brings blobs into repositories and counts their bytes.
type mover struct {
	client      *Client
	compressing sync.Mutex // one blob at a time, which takes all processors, and memory

	mu          sync.Mutex
	done, total int64
}

func (m *mover) count(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += done
	m.total += total
	if m.client.Progress != nil {
		m.client.Progress(m.done, m.total)
	}
}

// move brings parts into a repository, several at a time, and returns what
// became of each. A blob that is several parts is moved once.
func (m *mover) move(ctx context.Context, r *repository, parts []part) ([]Transfer, error) {
	parts = unique(parts)
	ctx = r.scoped(ctx, http.MethodPost) // from the start: some registries deny what is not there yet
	list := make([]Transfer, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.client.parallel())
	for i, p := range parts {
		g.Go(func() error {
			how, err := m.transfer(ctx, r, p)
			if err != nil {
				return fmt.Errorf("%v: %w", p, explained(err))
			}
			list[i] = Transfer{Repository: r.String(), Digest: p.Digest, Size: p.Size, How: how}
			return nil
		})
	}
	return list, g.Wait()
}

// unique leaves out parts that are blobs of earlier ones.
func unique(parts []part) []part {
	seen := make(map[digest.Digest]bool)
	var list []part
	for _, p := range parts {
		if !seen[p.Digest] {
			seen[p.Digest] = true
			list = append(list, p)
		}
	}
	return list
}

// transfer brings a blob into a repository the cheapest way.
func (m *mover) transfer(ctx context.Context, r *repository, p part) (string, error) {
	there, err := r.has(ctx, p.Descriptor)
	if err != nil {
		return "", err
	}
	if there {
		return Present, nil
	}
	if p.compress {
		m.compressing.Lock()
		defer m.compressing.Unlock()
	}
	u := &upload{mover: m, repo: r, part: p}
	mounted, err := u.begin(ctx, m.client.origin(r, p.Digest))
	switch {
	case err != nil:
		return "", err
	case mounted:
		r.client.remember(r, p.Digest)
		return Mounted, nil
	}
	m.count(0, p.Size)
	if err := u.run(ctx); err != nil {
		return "", err
	}
	r.client.remember(r, p.Digest)
	return Sent, nil
}
