package main

import (
	"slices"

	"github.com/cilium/cilium/pkg/envoy"
	cilium "github.com/cilium/proxy/go/cilium/api"
)

// envoyVerdict is ordered as Envoy's filter orders rules of the same precedence: denies first, passes last.
type envoyVerdict int

const (
	envoyNone envoyVerdict = iota
	envoyPass
	envoyAllow
	envoyDeny
)

// envoyRule is a rule of the configuration that the agent sends to Envoy.
type envoyRule struct {
	*cilium.PortNetworkPolicyRule
	verdict envoyVerdict
	// Index of the rule at which evaluation goes on when this one passes.
	next int
}

// envoyRules are the rules for one port, highest precedence first. Empty = everything is allowed.
type envoyRules struct {
	rules            []envoyRule
	hasHTTP, hasPass bool
	// Rules whose headers have actions are evaluated to the end.
	hasActions bool
}

// envoyPorts is the configuration of one endpoint and direction, as Envoy's filter reads it.
type envoyPorts struct {
	policies []*cilium.PortNetworkPolicy
	byPort   map[uint16]*envoyRules
}

func (e *engine) envoyOf(c *computedPolicy, ingress bool) *envoyPorts {
	if c.ingress == nil {
		sp := c.SelectorPolicy
		message := envoy.GetNetworkPolicy(c.owner, sp.GetEgressNamedPorts, c.selectors, c.owner.GetPolicyNames(), &sp.L4Policy,
			sp.IngressPolicyEnabled, sp.EgressPolicyEnabled, false, true, "secrets", log, e.translator)
		c.ingress = &envoyPorts{message.IngressPerPortPolicies, map[uint16]*envoyRules{}}
		c.egress = &envoyPorts{message.EgressPerPortPolicies, map[uint16]*envoyRules{}}
	}
	if ingress {
		return c.ingress
	}
	return c.egress
}

// rulesFor returns nil when there is no policy for the port. Rules for the port and for every port are one list; a port
// with nothing but passes has the rules for every port.
func (p *envoyPorts) rulesFor(port uint16) *envoyRules {
	if known, ok := p.byPort[port]; ok {
		return known
	}
	exact := p.collect(func(policy *cilium.PortNetworkPolicy) bool {
		end := max(policy.EndPort, policy.Port)
		return policy.Port != 0 && uint32(port) >= policy.Port && uint32(port) <= end
	})
	wild := p.collect(func(policy *cilium.PortNetworkPolicy) bool { return policy.Port == 0 })
	if exact != nil && wild != nil {
		exact = join(exact, wild.rules)
	}
	if exact = exact.prepare(); exact == nil {
		exact = wild.prepare()
	}
	p.byPort[port] = exact
	return exact
}

func (p *envoyPorts) collect(covers func(*cilium.PortNetworkPolicy) bool) *envoyRules {
	var found *envoyRules
	for _, policy := range p.policies {
		if !covers(policy) {
			continue
		}
		rules := make([]envoyRule, 0, len(policy.Rules))
		for _, rule := range policy.Rules {
			rules = append(rules, envoyRule{PortNetworkPolicyRule: rule, verdict: verdictOf(rule)})
		}
		if found == nil {
			found = &envoyRules{rules: rules}
		} else {
			found = join(found, rules)
		}
	}
	return found
}

// join appends rules. An empty list means that everything is allowed, so when one of the two is empty a rule says it.
func join(to *envoyRules, more []envoyRule) *envoyRules {
	rules := slices.Clone(to.rules)
	if (len(rules) == 0) != (len(more) == 0) {
		rules = append(rules, envoyRule{PortNetworkPolicyRule: &cilium.PortNetworkPolicyRule{}, verdict: envoyAllow})
	}
	return &envoyRules{rules: append(rules, more...)}
}

func verdictOf(rule *cilium.PortNetworkPolicyRule) envoyVerdict {
	switch {
	case rule.GetPassPrecedence() != 0:
		return envoyPass
	case rule.GetDeny():
		return envoyDeny
	}
	return envoyAllow
}

// prepare sorts the rules and finds where each pass leads. It returns nil when all of them pass.
func (r *envoyRules) prepare() *envoyRules {
	if r == nil {
		return nil
	}
	slices.SortStableFunc(r.rules, func(a, b envoyRule) int {
		if a.Precedence != b.Precedence {
			if a.Precedence > b.Precedence {
				return -1
			}
			return 1
		}
		return int(b.verdict - a.verdict)
	})
	passes := 0
	for i := range r.rules {
		rule := &r.rules[i]
		for _, http := range rule.GetHttpRules().GetHttpRules() {
			r.hasActions = r.hasActions || len(http.HeaderMatches) > 0
		}
		r.hasHTTP = r.hasHTTP || rule.GetHttpRules() != nil
		if rule.verdict != envoyPass {
			continue
		}
		passes++
		rule.next = i + 1
		for rule.next < len(r.rules) && r.rules[rule.next].Precedence >= rule.GetPassPrecedence() {
			rule.next++
		}
	}
	if passes > 0 && passes == len(r.rules) {
		return nil
	}
	return r
}

// evaluate walks the rules, highest precedence first, and stops at the first deny, or allow if the walk may be cut short.
func (r *envoyRules) evaluate(cutShort bool, judge func(*envoyRule) envoyVerdict) envoyVerdict {
	if r == nil {
		return envoyNone
	}
	if len(r.rules) == 0 {
		return envoyAllow
	}
	verdict, precedence := envoyNone, uint32(0)
	for i := 0; i < len(r.rules); {
		rule := &r.rules[i]
		if verdict != envoyNone && rule.Precedence < precedence {
			break
		}
		switch found := judge(rule); found {
		case envoyPass:
			if verdict == envoyNone || precedence < rule.Precedence {
				i = rule.next
				continue
			}
		case envoyAllow, envoyDeny:
			verdict, precedence = found, rule.Precedence
			if found == envoyDeny || cutShort {
				return verdict
			}
		}
		i++
	}
	return verdict
}

// forPeer is the verdict on a connection with the peer. Rules with a proxy are for a listener of somebody's own.
func (rule *envoyRule) forPeer(peer uint32) envoyVerdict {
	if rule.ProxyId != 0 || len(rule.RemotePolicies) > 0 && !slices.Contains(rule.RemotePolicies, peer) {
		return envoyNone
	}
	return rule.verdict
}
