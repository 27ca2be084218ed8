package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/types"
)

type benchIdentity struct {
	ID     identity.NumericIdentity
	Labels []string
}

type benchInput struct {
	Config                      config
	Identities, ExtraIdentities []benchIdentity
	Policies                    []json.RawMessage
	// Identities of the local endpoints.
	Endpoints    []identity.NumericIdentity
	Replacements []struct{ Policy json.RawMessage }
}

// benchResult is in milliseconds, but for the counts and the memory.
type benchResult struct {
	// Objects to rules; reading their JSON is included and also given alone.
	Parse  float64 `json:"parse"`
	Decode float64 `json:"decode"`
	// Rules into the repository.
	Insert         float64   `json:"insert"`
	FirstEndpoint  float64   `json:"firstEndpoint"`
	OtherEndpoints float64   `json:"otherEndpoints"`
	Warm           float64   `json:"warm"`
	AddIdentity    []float64 `json:"addIdentity"`
	ReplacePolicy  []float64 `json:"replacePolicy"`
	// Endpoints computed again for each replacement.
	Affected        []int `json:"affected"`
	FirstMapEntries int   `json:"firstMapEntries"`
	MapEntries      int   `json:"mapEntries"`
	Rules           int   `json:"rules"`
	Identities      int   `json:"identities"`
	PeakRSSKiB      int   `json:"peakRSSKiB"`
}

// benchmark has one policy for each local endpoint.
type benchmark struct {
	repo      *policy.Repository
	endpoints []*party
	policies  []*computedPolicy
	result    benchResult
}

// bench measures the engine on the world in a file, and prints the timings as JSON. Nothing is read or written while
// the clock runs.
func bench(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var in benchInput
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}

	configure(in.Config)
	b := &benchmark{}
	if err := b.load(&in); err != nil {
		return err
	}
	if err := b.computeAll(); err != nil {
		return err
	}
	// Both engines get a moment to collect what reading the cluster left behind.
	time.Sleep(200 * time.Millisecond)
	b.addIdentities(in.ExtraIdentities)
	if err := b.replacePolicies(&in); err != nil {
		return err
	}
	for _, p := range b.policies {
		b.result.MapEntries += p.Len()
	}
	b.result.PeakRSSKiB = peakMemory()
	return json.NewEncoder(os.Stdout).Encode(b.result)
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func (b *benchmark) load(in *benchInput) error {
	start := time.Now()
	for _, raw := range in.Policies {
		var object map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			return err
		}
	}
	b.result.Decode = milliseconds(start)
	start = time.Now()
	policies, refused := parsePolicies(&scenario{Config: in.Config, Policies: in.Policies})
	b.result.Parse = milliseconds(start)
	if len(refused) > 0 {
		return fmt.Errorf("policy %d: %w", refused[0].index, refused[0].err)
	}
	identities, locals := identity.ListReservedIdentities(), identity.IdentityMap{}
	for _, id := range in.Identities {
		identities[id.ID] = labels.NewLabelsFromModel(id.Labels).LabelArray()
	}
	for _, id := range in.Endpoints {
		locals[id] = identities[id]
		b.endpoints = append(b.endpoints, &party{name: id.String(), id: identity.NewIdentityFromLabelArray(id, identities[id])})
	}
	b.result.Identities = len(identities)
	b.repo = policy.NewPolicyRepository(log, identities, certificates{},
		envoypolicy.NewEnvoyL7RulesTranslator(log, secrets(nil)), manager, nil)
	b.repo.SetNamedPortsGetter(&world{multi: types.NewNamedPortMultiMap()})
	b.repo.UpdateIdentities(locals, nil)
	start = time.Now()
	for _, p := range policies.rules {
		b.repo.ReplaceByResource(p.entries, p.resource)
		b.result.Rules += len(p.entries)
	}
	b.result.Insert = milliseconds(start)
	return nil
}

func (b *benchmark) computeAll() error {
	b.policies = make([]*computedPolicy, len(b.endpoints))
	for i := range b.endpoints {
		start := time.Now()
		if err := b.compute(i); err != nil {
			return err
		}
		if i == 0 {
			b.result.FirstEndpoint = milliseconds(start)
			b.result.FirstMapEntries = b.policies[0].Len()
		} else {
			b.result.OtherEndpoints += milliseconds(start)
		}
	}
	start := time.Now()
	for i := range b.endpoints {
		if err := b.compute(i); err != nil {
			return err
		}
	}
	b.result.Warm = milliseconds(start)
	return nil
}

// compute replaces the policy of an endpoint by a fresh one, as a regeneration does.
func (b *benchmark) compute(i int) error {
	selector, _, err := b.repo.ComputeSelectorPolicy(b.endpoints[i].id)
	if err != nil {
		return err
	}
	o := &owner{id: uint64(i + 1), party: b.endpoints[i]}
	fresh := selector.DistillPolicy(log, o, map[string]uint16{policy.FallbackRedirectID: proxyPort})
	_ = fresh.Ready()
	if old := b.policies[i]; old != nil {
		old.selector.Supersede()
		old.Detach(log)
	}
	b.policies[i] = &computedPolicy{EndpointPolicy: fresh, selector: selector, owner: o}
	return nil
}

func (b *benchmark) addIdentities(extra []benchIdentity) {
	for _, id := range extra {
		added := identity.IdentityMap{id.ID: labels.NewLabelsFromModel(id.Labels).LabelArray()}
		start := time.Now()
		var wg sync.WaitGroup
		b.repo.GetSelectorCache().UpdateIdentities(added, nil, &wg)
		wg.Wait()
		for _, p := range b.policies {
			closer, _ := p.ConsumeMapChanges()
			closer()
		}
		b.result.AddIdentity = append(b.result.AddIdentity, milliseconds(start))
	}
}

func (b *benchmark) replacePolicies(in *benchInput) error {
	for _, replacement := range in.Replacements {
		policies, refused := parsePolicies(&scenario{Config: in.Config, Policies: []json.RawMessage{replacement.Policy}})
		if len(refused) > 0 {
			return refused[0].err
		}
		start := time.Now()
		affected := 0
		for _, p := range policies.rules {
			ids, _, _ := b.repo.ReplaceByResource(p.entries, p.resource)
			for i, e := range b.endpoints {
				if !ids.Has(e.id.ID) {
					continue
				}
				affected++
				if err := b.compute(i); err != nil {
					return err
				}
			}
		}
		b.result.ReplacePolicy = append(b.result.ReplacePolicy, milliseconds(start))
		b.result.Affected = append(b.result.Affected, affected)
	}
	return nil
}

// peakMemory is the most that the process had resident, in KiB.
func peakMemory() (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	return kib
}
