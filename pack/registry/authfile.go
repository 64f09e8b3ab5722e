package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// An authFile is what podman, skopeo and buildah keep logins in
// (containers-auth.json(5)). Its keys are registries, or repositories and what
// begins their names.
type authFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"` // USER:PASSWORD in base64
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// readAuthFile reads a file, which need not exist.
func readAuthFile(name string) (*authFile, error) {
	f := &authFile{}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, f)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the logins in %s: %w", name, err)
	}
	return f, nil
}

// credential returns the login whose key says most of a repository, "" being none.
func (f *authFile) credential(host, repository string) (Credential, error) {
	for key := strings.Trim(host+"/"+repository, "/"); ; {
		if a, ok := f.Auths[key]; ok {
			user, err := base64.StdEncoding.DecodeString(a.Auth)
			name, password, found := strings.Cut(string(user), ":")
			if err != nil || a.Auth != "" && !found {
				return Credential{}, fmt.Errorf("what is kept for %s is no login", key)
			}
			if a.IdentityToken != "" {
				return Credential{RefreshToken: a.IdentityToken}, nil
			}
			return Credential{Username: name, Password: strings.TrimRight(password, "\x00")}, nil
		}
		slash := strings.LastIndexByte(key, '/')
		if slash < 0 {
			return Credential{}, nil
		}
		key = key[:slash]
	}
}
