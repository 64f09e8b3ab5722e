package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// farMeta is where docker keeps a context called far.
const farMeta = "contexts/meta/512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868/meta.json"

func TestHostIsTheOneThatTheDockerClientSpeaksTo(t *testing.T) {
	const (
		far    = `{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2375","SkipTLSVerify":false}}}`
		config = `{"auths":{},"currentContext":"far"}`
	)
	tests := []struct {
		name  string
		env   map[string]string // beside HOME
		files map[string]string // below ~/.docker, or DOCKER_CONFIG if it is set
		want  string            // a host, or what an error contains
	}{
		{"nothing is said", nil, nil, DefaultHost},
		{"DOCKER_HOST", map[string]string{"DOCKER_HOST": "tcp://x:1", "DOCKER_CONTEXT": "far"}, map[string]string{"config.json": config}, "tcp://x:1"},
		{"DOCKER_CONTEXT", map[string]string{"DOCKER_CONTEXT": "far"}, map[string]string{farMeta: far}, "tcp://far:2375"},
		{"DOCKER_CONTEXT over the configuration", map[string]string{"DOCKER_CONTEXT": "default"}, map[string]string{"config.json": config}, DefaultHost},
		{"the configuration", nil, map[string]string{"config.json": config, farMeta: far}, "tcp://far:2375"},
		{"another configuration", map[string]string{"DOCKER_CONFIG": "$T/etc"}, map[string]string{"config.json": config, farMeta: far}, "tcp://far:2375"},
		{"a configuration without a context", nil, map[string]string{"config.json": `{"auths":{}}`}, DefaultHost},
		{"a context that is not there", map[string]string{"DOCKER_CONTEXT": "far"}, nil, `error: docker context "far": open $T/.docker/` + farMeta + ": no such file or directory"},
		{"a configuration that is no JSON", nil, map[string]string{"config.json": "{"}, "error: $T/.docker/config.json: unexpected end of JSON input"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			temp := t.TempDir()
			inTemp := func(s string) string { return strings.ReplaceAll(s, "$T", temp) }
			env := map[string]string{"HOME": temp}
			for name, value := range test.env {
				env[name] = inTemp(value)
			}
			folder := env["DOCKER_CONFIG"]
			if folder == "" {
				folder = filepath.Join(temp, ".docker")
			}
			for name, text := range test.files {
				write(t, filepath.Join(folder, name), text)
			}
			got, err := Host(func(name string) string { return env[name] })
			if err != nil {
				got = "error: " + err.Error()
			}
			if want := inTemp(test.want); got != want {
				t.Errorf("Host:\ngot  %s\nwant %s", got, want)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
