package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// prepareRegistry moves an image of about 350 MB to Debian's docker-registry on loopback and back. What a push sends
// is gone before the next.
func prepareRegistry(ctx context.Context, s *setup) ([]contest, error) {
	server, lerr := exec.LookPath("docker-registry")
	if lerr != nil {
		fmt.Fprintln(s.log, "bench: skipping registries: docker-registry is not installed (Debian: apt install docker-registry)")
		return nil, nil //nolint:nilerr // the other cases are measured all the same
	}
	data := filepath.Join(s.temp, "data")
	files, size, err := s.makeData(ctx, data)
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(s.temp, "moved.tar")
	layout := filepath.Join(s.temp, "moved")
	for _, out := range []string{archive, "type=oci,dest=" + layout} {
		if err := s.makeBase(ctx, data, out, "none"); err != nil {
			return nil, err
		}
	}
	store := filepath.Join(s.temp, "store")
	if err := os.Mkdir(store, 0o755); err != nil {
		return nil, err
	}
	emptied, err := s.serve(ctx, server, store)
	if err != nil {
		return nil, err
	}
	kept, err := s.serve(ctx, server, filepath.Join(s.temp, "kept"))
	if err != nil {
		return nil, err
	}
	first := exec.CommandContext(ctx, s.harvest, "push", archive, kept+"/moved:v1", "-q")
	if err := first.Run(); err != nil {
		return nil, fmt.Errorf("pushing %s: %w", archive, err)
	}
	what := fmt.Sprintf("%d MB in %d files", size/mega, files)
	sent := filepath.Join(store, "docker") // that a push makes there
	push := func(name string, args ...string) contender {
		return contender{name: name, args: args, output: sent, atMost: peersTime}
	}
	out := filepath.Join(s.temp, "out", "pulled.tar")
	return []contest{{
		title: "(f) pushing " + what + " with gzip to a registry",
		ours: contender{name: "harvest push --compress gzip", output: sent, maxRSS: baseRSS,
			args: []string{s.harvest, "push", archive, emptied + "/ours:v1", "--compress", "gzip", "-q"}},
		peers: []contender{installed(push("skopeo copy", "skopeo", "copy", "-q", "--dest-tls-verify=false",
			"docker-archive:"+archive, "docker://"+emptied+"/skopeo:v1"))},
	}, {
		title: "(f) pushing " + what + " as they are to a registry",
		ours: contender{name: "harvest push", output: sent, maxRSS: baseRSS,
			args: []string{s.harvest, "push", archive, emptied + "/ours:v1", "-q"}},
		peers: []contender{installed(push("crane push", "crane", "push", layout, emptied+"/crane:v1", "--insecure"))},
	}, {
		title: "(f) pulling " + what + " from a registry",
		ours: contender{name: "harvest pull", output: out, atLeast: size, maxRSS: baseRSS,
			args: []string{s.harvest, "pull", kept + "/moved:v1", "-o", out, "-q"}},
		peers: []contender{
			installed(contender{name: "skopeo copy", output: out, atLeast: size, atMost: peersTime,
				args: []string{"skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + kept + "/moved:v1", "docker-archive:" + out}}),
			installed(contender{name: "crane pull", output: out, atLeast: size, atMost: peersTime,
				args: []string{"crane", "pull", kept + "/moved:v1", out, "--insecure"}}),
		},
	}}, nil
}

// installed notes of a contender whether its program is there.
func installed(c contender) contender {
	if _, err := exec.LookPath(c.args[0]); err != nil {
		c.missing = "not installed"
	}
	return c
}

// serve starts a registry that keeps what it gets in a folder, and returns its host and port. It ends with the setup.
func (s *setup) serve(ctx context.Context, server, folder string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	host := l.Addr().String()
	l.Close()
	config := folder + ".yml"
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"+
		"storage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", folder, host)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, server, "serve", config)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.ends = append(s.ends, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for range 600 {
		resp, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			resp.Body.Close()
			return host, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", errors.New("docker-registry does not answer")
}
