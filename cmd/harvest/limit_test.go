package main

import "testing"

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "512b": 512, "2k": 2048, "2kB": 2000, "2KiB": 2048, "500MB": 500_000_000, "64GiB": 64 << 30, "3g": 3 << 30, "1T": 1 << 40, "1tb": 1e12,
		"": 0, "0": 0, "-1": 0, "GB": 0, "1.5GB": 0, "1 GB": 0, "1BG": 0, "1iB": 0, "1kk": 0, "9223372036854775807k": 0, "9000000T": 0,
	} {
		var b byteSize
		if err := b.Set(s); int64(b) != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v; want %d", s, b, err, want)
		}
	}
}
