package pack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

// The overlapped way gives what hashing and writing one after the other give.
func TestTeeWritesAndHashesEverythingInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, 3*maxChunks*chunkSize+1)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	var got bytes.Buffer
	tee := newTee(&got)
	for rest := want; len(rest) > 0; {
		n := min(1+random.IntN(2*chunkSize), len(rest))
		var err error
		if random.IntN(2) == 0 {
			_, err = tee.Write(rest[:n])
		} else {
			_, err = tee.ReadFrom(iotest.HalfReader(bytes.NewReader(rest[:n])))
		}
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	sum, err := tee.Close()
	if err != nil || sum != digest.FromBytes(want) || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %d bytes, %s, %v; want %d, %s", got.Len(), sum, err, len(want), digest.FromBytes(want))
	}
}

func TestTeeReturnsTheWritersError(t *testing.T) {
	broken := errors.New("broken")
	tee := newTee(writerFunc(func([]byte) (int, error) { return 0, broken }))
	_, werr := io.Copy(tee, io.LimitReader(zeroReader{}, 64*maxChunks*chunkSize))
	_, cerr := tee.Close()
	if !errors.Is(werr, broken) || !errors.Is(cerr, broken) {
		t.Errorf("copying: %v, closing: %v", werr, cerr)
	}
}

func TestTeeReturnsTheReadersError(t *testing.T) {
	broken := errors.New("broken")
	tee := newTee(io.Discard)
	if _, err := tee.ReadFrom(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := tee.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { return len(p), nil }
