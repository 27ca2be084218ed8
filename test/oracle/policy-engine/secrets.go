package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/cilium/pkg/policy/api"
)

// certificates answers as an agent that leaves TLS secrets to Envoy, which is how Helm installs it: a secret that is
// missing is no error of the policy, one without a name is.
type certificates struct{}

func (certificates) GetTLSContext(_ context.Context, tls *api.TLSContext, _ string) (ca, public, private string, inline bool, err error) {
	if tls.Secret == nil || tls.Secret.Name == "" {
		return "", "", "", false, errors.New("a TLS context needs a secret")
	}
	return "", "", "", false, nil
}

// secrets answers as an agent that reads the secrets of headerMatches itself: the secret's only value if there is one,
// else the value written in the rule, else the rule never matches. Keyed by namespace/name.
type secrets map[string]map[string]string

func (s secrets) GetSecretString(_ context.Context, secret *api.Secret, namespace string) (string, error) {
	if secret.Namespace != "" {
		namespace = secret.Namespace
	}
	name := namespace + "/" + secret.Name
	items, ok := s[name]
	if !ok || len(items) != 1 {
		return "", fmt.Errorf("secret %s: want exactly one item, have %d", name, len(items))
	}
	for _, value := range items {
		return value, nil
	}
	return "", nil
}

func (secrets) PolicySecretSyncEnabled() bool         { return false }
func (secrets) SecretsOnlyFromSecretsNamespace() bool { return false }
func (secrets) GetSecretSyncNamespace() string        { return "" }
