// Runs Cilium's own policy engine on scenarios: JSON lines in, one JSON line a query out.
// Only addresses and endpoints given in the scenario exist; the agent's ipcache is imitated for prefixes.
// With the arguments `bench FILE` it measures the engine instead.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/cilium/cilium/pkg/identity/identitymanager"
	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"

	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
)

var (
	log     = slog.New(slog.DiscardHandler)
	manager = identitymanager.NewIDManager(log)
)

func main() {
	err := filterLabels(nil)
	if err != nil {
		panic(err)
	}
	if len(os.Args) == 3 && os.Args[1] == "bench" {
		err = bench(os.Args[2])
	} else {
		// Scenarios are small and leave much behind.
		debug.SetGCPercent(800)
		err = answerAll(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answerAll(in io.Reader, out io.Writer) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	writer := bufio.NewWriterSize(out, 1<<16)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for {
		var s scenario
		if err := decoder.Decode(&s); errors.Is(err, io.EOF) {
			return writer.Flush()
		} else if err != nil {
			return err
		}
		if err := filterLabels(s.Config.Labels); err != nil {
			return err
		}
		for _, a := range evaluate(&s) {
			if err := encoder.Encode(a); err != nil {
				return err
			}
		}
		// Whoever writes one scenario at a time wants its answers before writing the next.
		if !decoder.More() {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
	}
}

// filterLabels sets which labels make an identity: Cilium's own patterns, then the given ones.
func filterLabels(patterns []string) error {
	return labelsfilter.ParseLabelPrefixCfg(log, patterns, nil, "")
}

// configure sets the agent's global options; each scenario has its own.
func configure(c config) {
	o := option.Config
	o.EnableIPv4, o.EnableIPv6 = orElse(c.EnableIPv4, true), orElse(c.EnableIPv6, false)
	o.EnableL7Proxy, o.EnableICMPRules, o.EnableNonDefaultDenyPolicies = true, true, true
	o.EnableExtendedIPProtocols = orElse(c.ExtendedIPProtocols, false)
	o.EnableHostFirewall, o.EnableNodeSelectorLabels = c.HostFirewall, c.NodeSelectorLabels
	o.PolicyCIDRMatchMode = c.CIDRMatchMode
	// The agent turns "auto" into "always" when it runs in Kubernetes.
	o.UnsafeDaemonConfigOption.AllowLocalhost = option.AllowLocalhostAlways
	if c.AllowLocalhost == option.AllowLocalhostPolicy {
		o.UnsafeDaemonConfigOption.AllowLocalhost = option.AllowLocalhostPolicy
	}
	mode := c.PolicyMode
	if mode == "" {
		mode = option.DefaultEnforcement
	}
	policy.SetPolicyEnabled(mode)
	if name := c.cluster(); name != o.ClusterName {
		o.ClusterName = name
		api.InitEntities(name)
	}
}

func (c config) cluster() string {
	if c.ClusterName == "" {
		return "default"
	}
	return c.ClusterName
}

// policyCluster is the cluster in which peers are sought; empty means any.
func (c config) policyCluster() string {
	if !orElse(c.LocalCluster, true) {
		return ""
	}
	return c.cluster()
}

func orElse[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

func evaluate(s *scenario) (answers []answer) {
	configure(s.Config)
	policies, refused := parsePolicies(s)
	for _, r := range refused {
		answers = append(answers, answer{Scenario: s.ID, ID: "!policy", Policy: &r.index, Verdict: "invalid", Error: r.err.Error()})
	}
	w := newWorld(s, policies)
	repo := policy.NewPolicyRepository(log, w.identities, certificates{},
		envoypolicy.NewEnvoyL7RulesTranslator(log, secrets(s.Secrets)), manager, nil)
	repo.SetNamedPortsGetter(w)
	// Before the rules, so that nobody must be notified: the goroutine that notifies never ends.
	repo.UpdateIdentities(w.subjects, nil)
	for _, p := range policies.rules {
		repo.ReplaceByResource(p.entries, p.resource)
	}
	e := &engine{repo: repo, world: w, translator: envoypolicy.NewEnvoyL7RulesTranslator(log, secrets(s.Secrets)),
		computed: map[*party]*computedPolicy{}}
	for _, q := range s.Queries {
		answers = append(answers, e.ask(s.ID, q))
	}
	if s.Config.DumpEntries {
		answers = append(answers, e.dump(s.ID)...)
	}
	return answers
}
