// Runs Cilium's own policy engine on scenarios: JSON lines in, one JSON line a query out.
// Only addresses and endpoints given in the scenario exist; the agent's ipcache is imitated for CIDR prefixes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/cilium/cilium/pkg/crypto/certificatemanager"
	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	ipcachetypes "github.com/cilium/cilium/pkg/ipcache/types"
	v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	policyutils "github.com/cilium/cilium/pkg/policy/utils"
	testpolicy "github.com/cilium/cilium/pkg/testutils/policy"
)

var log = slog.New(slog.DiscardHandler)

type answer struct {
	Scenario string       `json:"scenario"`
	ID       string       `json:"id"`
	Policy   *int         `json:"policy,omitempty"`
	Verdict  string       `json:"verdict"`
	Error    string       `json:"error,omitempty"`
	Ingress  *directional `json:"ingress,omitempty"`
	Egress   *directional `json:"egress,omitempty"`
}

type directional struct {
	Verdict  string `json:"verdict"`
	Enforced bool   `json:"enforced"`
	Matched  bool   `json:"matched"`
}

func configure(mode string) {
	c := option.Config
	c.EnableIPv4, c.EnableIPv6 = true, false
	c.EnableL7Proxy, c.EnableICMPRules, c.EnableNonDefaultDenyPolicies = true, true, true
	c.UnsafeDaemonConfigOption.AllowLocalhost = option.AllowLocalhostAlways
	if mode == "" {
		mode = option.DefaultEnforcement
	}
	policy.SetPolicyEnabled(mode)
}

func main() {
	if err := labelsfilter.ParseLabelPrefixCfg(log, nil, nil, ""); err != nil {
		panic(err)
	}
	api.InitEntities("default")
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	decoder := json.NewDecoder(in)
	for decoder.More() {
		var s scenario
		if err := decoder.Decode(&s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, a := range evaluate(&s) {
			_ = encoder.Encode(a)
		}
		out.Flush()
	}
}

func evaluate(s *scenario) (answers []answer) {
	configure(s.Config.PolicyMode)
	repo := policy.NewPolicyRepository(log, nil, nil,
		envoypolicy.NewEnvoyL7RulesTranslator(log, certificatemanager.NewMockSecretManagerInline()),
		identitymanager.NewIDManager(log), testpolicy.NewPolicyMetricsNoop())
	w := newWorld(s)
	for i, raw := range s.Policies {
		if err := addPolicy(repo, w, raw); err != nil {
			index := i
			answers = append(answers, answer{Scenario: s.ID, ID: "!policy", Policy: &index, Verdict: "invalid", Error: err.Error()})
		}
	}
	repo.SetNamedPortsGetter(w)
	var wg sync.WaitGroup
	repo.GetSelectorCache().UpdateIdentities(w.identities, nil, &wg)
	wg.Wait()
	repo.UpdateIdentities(w.subjects, nil)
	for _, q := range s.Queries {
		answers = append(answers, w.ask(repo, s.ID, q))
	}
	return answers
}

func addPolicy(repo *policy.Repository, w *world, raw json.RawMessage) error {
	var header struct {
		Kind     string `json:"kind"`
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		return err
	}
	var rules api.Rules
	var err error
	switch header.Kind {
	case "CiliumNetworkPolicy":
		var cnp v2.CiliumNetworkPolicy
		if err = json.Unmarshal(raw, &cnp); err == nil {
			rules, err = cnp.Parse(log, "default")
		}
	case "CiliumClusterwideNetworkPolicy":
		var ccnp v2.CiliumClusterwideNetworkPolicy
		if err = json.Unmarshal(raw, &ccnp); err == nil {
			rules, err = ccnp.Parse(log, "default")
		}
	default:
		err = fmt.Errorf("kind %q", header.Kind)
	}
	if err != nil {
		return err
	}
	entries := policyutils.RulesToPolicyEntries(rules)
	for _, entry := range entries {
		for _, selector := range entry.L3 {
			w.addPrefixes(selector.GetCIDRPrefixes())
		}
	}
	repo.ReplaceByResource(entries, ipcachetypes.NewResourceID(ipcachetypes.ResourceKind(header.Kind), header.Metadata.Namespace, header.Metadata.Name))
	return nil
}
