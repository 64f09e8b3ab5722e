package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSpreadIsTheMedianWithItsEnds(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{9, 1, 4}, spread{4, 1, 9}},
		{[]float64{4, 1, 9, 2}, spread{3, 1, 9}},
	} {
		before := slices.Clone(test.values)
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("spreadOf(%v) = %v, want %v", test.values, got, test.want)
		}
		if !slices.Equal(before, test.values) {
			t.Errorf("spreadOf reordered %v: runs would no longer be pairs", before)
		}
	}
}

func TestWallRatioIsTakenPairByPair(t *testing.T) {
	// The machine became ten times slower after the first turn; each pair still says the same.
	ours := result{runs: []usage{{wall: 1}, {wall: 10}, {wall: 10}}}
	peer := result{runs: []usage{{wall: 4}, {wall: 40}, {wall: 50}}}
	if got, want := ours.wallRatio(peer), (spread{0.25, 0.2, 0.25}); got != want {
		t.Errorf("wallRatio = %v, want %v", got, want)
	}
}

func TestRatiosReadAsOneWouldSayThem(t *testing.T) {
	for r, want := range map[float64]string{
		0.25:  "4x faster",
		0.187: "5.3x faster",
		0.037: "27x faster",
		0.8:   "1.25x faster",
		1:     "1x the time",
		1.3:   "1.3x the time",
		1.122: "1.12x the time",
		2.04:  "2x the time",
	} {
		if got := ratio(r); got != want {
			t.Errorf("ratio(%v) = %q, want %q", r, got, want)
		}
	}
}

func TestBracketsAreReadAsTheMedian(t *testing.T) {
	for want, s := range map[string]spread{
		"4x faster (2 .. 5)":            {0.25, 0.2, 0.5},
		"1.25x the time (0.91 .. 1.28)": {1.25, 0.91, 1.28},
	} {
		if got := compared(s); got != want {
			t.Errorf("compared(%v) = %q, want %q", s, got, want)
		}
	}
}

func TestTimesAndSizesAreRounded(t *testing.T) {
	for ns, want := range map[float64]string{
		521_000:       "0.52 ms",
		9_994_000:     "9.99 ms",
		9_996_000:     "10.0 ms",
		1_234_567_890: "1235 ms",
	} {
		if got := milliseconds(ns); got != want {
			t.Errorf("milliseconds(%v) = %q, want %q", ns, got, want)
		}
	}
	if got, want := megabytes(31_000_001, 8*mega), "32 MB"; got != want {
		t.Errorf("megabytes above the floor = %q, want %q", got, want)
	}
	if got, want := megabytes(3*mega, 8*mega), "< 8 MB"; got != want {
		t.Errorf("megabytes below the floor = %q, want %q", got, want)
	}
}

func TestTableShowsEveryContenderAndEveryAim(t *testing.T) {
	c := contest{
		title: "(x) a question",
		ours:  contender{name: "harvest", maxWall: 15 * time.Millisecond, maxRSS: 32 * mega},
		peers: []contender{
			{name: "by hand", atMost: 0.25},
			{name: "hashing", atMost: 1.3},
			{name: "no aim"},
			{name: "libtree", atMost: 1, missing: "not installed"},
		},
	}
	took := func(wall time.Duration, rss int64) result {
		return result{floor: 8 * mega, runs: []usage{{wall: wall, cpu: 2 * wall, rss: rss}}}
	}
	got := table(c, []result{
		took(12*time.Millisecond, 40*mega),
		took(36*time.Millisecond, 3*mega),
		took(10*time.Millisecond, 9*mega),
		took(6*time.Millisecond, 9*mega),
		{},
	})
	want := `
(x) a question
                                               wall                             cpu      RSS   harvest is
  harvest                                   12.0 ms     (12.0 .. 12.0 ms)   24.0 ms    40 MB
  by hand                                   36.0 ms     (36.0 .. 36.0 ms)   72.0 ms   < 8 MB   3x faster (3 .. 3)
  hashing                                   10.0 ms     (10.0 .. 10.0 ms)   20.0 ms     9 MB   1.2x the time (1.2 .. 1.2)
  no aim                                    6.00 ms     (6.00 .. 6.00 ms)   12.0 ms     9 MB   2x the time (2 .. 2)
  libtree                                 not installed
  aim met:    under 15 ms
  aim missed: under 32 MB
  aim missed: at least 4x faster than by hand
  aim met:    at most 1.3x the time of hashing
`
	if got != want[1:] {
		t.Errorf("got:\n%s\nwant:%s", got, want)
	}
}

func TestAnOutputThatIsTooSmallDoesNotCount(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image.tar")
	write := func(bytes string) contender {
		return contender{args: []string{"sh", "-c", "printf " + bytes + " >" + out}, output: out, atLeast: 4}
	}
	if _, err := write("four").run(t.Context()); err != nil {
		t.Errorf("an output of 4 bytes: %v", err)
	}
	if _, err := write("two").run(t.Context()); err == nil {
		t.Error("an output of 3 bytes: no error")
	}
	pipe := contender{args: []string{"printf", "two"}, output: "-", atLeast: 4}
	if _, err := pipe.run(t.Context()); err == nil {
		t.Error("a pipe of 3 bytes: no error")
	}
}

func TestOnlyExpectedExitCodesAreAnswers(t *testing.T) {
	three := contender{args: []string{"sh", "-c", "echo because >&2; exit 3"}}
	if _, err := three.run(t.Context()); err == nil || !strings.Contains(err.Error(), "because") {
		t.Errorf("exit 3: error %v, want one with the command's own words", err)
	}
	three.exits = []int{3}
	if _, err := three.run(t.Context()); err != nil {
		t.Errorf("expected exit 3: %v", err)
	}
}

func TestUsageIncludesTheChildrenOfTheCommand(t *testing.T) {
	busy := contender{args: []string{"sh", "-c", "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; :"}}
	u, err := busy.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if u.wall <= 0 || u.cpu < 5*time.Millisecond || u.rss <= 0 {
		t.Errorf("usage of a busy grandchild = %+v", u)
	}
}

func TestChoiceIsSortedAndWithinItsLimits(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a/3": 3, "a/50": 50, "b": 10, "c": 10, "d": 10, "z/40": 40} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	from := []source{
		{dir, 5, 40, 2}, // a/3 is too small, a/50 too big; then two are enough
		{filepath.Join(dir, "no-such-folder"), 0, 9, 9}, // gives nothing
		{dir, 0, 40, 9}, // z/40 no longer fits
	}
	got, err := choose(from, 40)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range got {
		got[i], _ = filepath.Rel(dir, name)
	}
	if want := []string{"b", "c", "a/3", "d"}; !slices.Equal(got, want) {
		t.Errorf("choose = %q, want %q", got, want)
	}
}
