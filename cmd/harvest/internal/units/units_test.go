package units_test

import (
	"testing"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_499: "99.5 kB", 99_500: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB", 3_700_000: "3.7 MB", 1 << 62: "4611686 TB",
	} {
		if got := units.Size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
