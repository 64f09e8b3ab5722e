package spelling

import (
	"strings"
	"testing"
)

func TestWordsThatAreMeant(t *testing.T) {
	known := []string{"redis-server", "redis-tools", "vim", "vim-tiny", "vim", "libvim", "bash", "dash", "base-files", "x"}
	for word, want := range map[string]string{
		"vmi":     "vim",
		"vim":     "vim libvim vim-tiny",
		"redis":   "redis-tools redis-server",
		"bahs":    "bash",
		"":        "",
		"zsh":     "",
		"openssl": "",
	} {
		if got := strings.Join(Near(word, known, 3), " "); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
	for pair, want := range map[string]int{"a b": 1, "bash dash": 1, "kitten sitting": 3, "vmi vim": 1, "ca abc": 3, "abc ": 3} {
		a, b, _ := strings.Cut(pair, " ")
		if got := Distance(a, b); got != want || Distance(b, a) != want {
			t.Errorf("%s: %d, want %d", pair, got, want)
		}
	}
}
