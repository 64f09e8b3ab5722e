package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DefaultHost is where an engine listens unless somebody says otherwise.
const DefaultHost = "unix:///var/run/docker.sock"

// Host returns the address of the engine that the docker client would speak to
// in an environment: DOCKER_HOST, else that of the context that DOCKER_CONTEXT
// or docker's configuration names, else DefaultHost.
func Host(getenv func(string) string) (string, error) {
	if host := getenv("DOCKER_HOST"); host != "" {
		return host, nil
	}
	folder := getenv("DOCKER_CONFIG")
	if folder == "" {
		folder = filepath.Join(getenv("HOME"), ".docker")
	}
	context := getenv("DOCKER_CONTEXT")
	if context == "" {
		var config struct{ CurrentContext string }
		if err := readJSON(filepath.Join(folder, "config.json"), &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		context = config.CurrentContext
	}
	if context == "" || context == "default" {
		return DefaultHost, nil
	}
	sum := sha256.Sum256([]byte(context))
	var meta struct {
		Endpoints struct{ Docker struct{ Host string } }
	}
	if err := readJSON(filepath.Join(folder, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), &meta); err != nil {
		return "", fmt.Errorf("docker context %q: %w", context, err)
	}
	return meta.Endpoints.Docker.Host, nil
}

// readJSON reads the document in a file into v.
func readJSON(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
