package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/trafficdirection"
)

// dump lists the map-state entries of every subject.
func (e *engine) dump(scenario string) (answers []answer) {
	for _, p := range e.world.parties {
		c := e.policyOf(p)
		a := answer{Scenario: scenario, ID: "!entries", Endpoint: p.name}
		if c.err != nil {
			a.Verdict, a.Error = "error", c.err.Error()
		} else {
			a.Entries = e.entriesOf(c)
		}
		answers = append(answers, a)
	}
	return answers
}

func (e *engine) entriesOf(c *computedPolicy) []mapEntry {
	seen := map[mapEntry]struct{}{}
	for key, value := range c.Entries() {
		id := key.Identity
		if isAggregate(id) {
			// The same entry for everybody says it already.
			if whole, ok := c.Get(key.WithIdentity(0)); ok && whole == value {
				id = 0
			}
		}
		entry := mapEntry{
			Direction: "ingress", Peer: e.peerName(id), Protocol: uint8(key.Nexthdr), Port: key.DestPort, Prefix: key.PortPrefixLen(),
			Deny: value.IsDeny(), Precedence: value.Precedence,
			AuthType: value.AuthRequirement.AuthType().String(), ExplicitAuth: value.AuthRequirement.IsExplicit(),
			Redirect: value.IsRedirectEntry(),
		}
		if key.TrafficDirection() == trafficdirection.Egress {
			entry.Direction = "egress"
		}
		seen[entry] = struct{}{}
	}
	entries := make([]mapEntry, 0, len(seen))
	for entry := range seen {
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(a, b mapEntry) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Precedence, b.Precedence))
	})
	return entries
}

// peerName is "any" for everybody, else the labels. An aggregate that differs from the entry for everybody has a
// reserved label of its own. Labels that the agent makes from named ports are left out.
func (e *engine) peerName(id identity.NumericIdentity) string {
	if id == identity.IdentityUnknown {
		return "any"
	}
	var names []string
	for _, label := range e.world.identities[id] {
		if label.Source != labels.LabelSourceGenerated {
			names = append(names, label.String())
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func isAggregate(id identity.NumericIdentity) bool {
	return id != identity.IdentityUnknown && slices.Contains(policy.AllAggregates, id)
}
