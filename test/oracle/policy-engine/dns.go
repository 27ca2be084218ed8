package main

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/cilium/cilium/pkg/fqdn/dnsproxy"
	"github.com/cilium/cilium/pkg/fqdn/matchpattern"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/u8proto"
)

// judgeName asks the DNS proxy. It knows rules by the exact port and protocol of the server, and where several filters
// have the same first port it has the rules of one of them only: the agent keeps the first that it meets, tier by tier
// and named ports before numbers. Among the others its order is random; here the shortest range is first.
func (c *computedPolicy) judgeName(server *party, name string, proto u8proto.U8proto, port uint16, ingress bool) bool {
	name = strings.ToLower(strings.TrimSuffix(name, ".")) + "."
	filters := c.nameFilters(proto, port, ingress)
	if len(filters) == 0 {
		return false
	}
	for selector, rules := range filters[0].PerSelectorPolicies {
		if !selector.Selects(server.id.ID) {
			continue
		}
		pattern := dnsproxy.GeneratePattern(rules)
		if pattern == matchpattern.MatchAllAnchoredPattern || compiled(pattern).MatchString(name) {
			return true
		}
	}
	return false
}

func (c *computedPolicy) nameFilters(proto u8proto.U8proto, port uint16, ingress bool) []*policy.L4Filter {
	direction := &c.SelectorPolicy.L4Policy.Egress
	if ingress {
		direction = &c.SelectorPolicy.L4Policy.Ingress
	}
	var filters []*policy.L4Filter
	for filter := range direction.Filters() {
		if filter.U8Proto == proto && hasNames(filter) && c.beginsAt(filter, port) {
			filters = append(filters, filter)
		}
	}
	slices.SortFunc(filters, func(a, b *policy.L4Filter) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), -cmp.Compare(a.PortName, b.PortName), cmp.Compare(a.EndPort, b.EndPort))
	})
	return filters
}

func hasNames(filter *policy.L4Filter) bool {
	for _, rules := range filter.PerSelectorPolicies {
		if rules.GetL7Parser() == policy.ParserTypeDNS {
			return true
		}
	}
	return false
}

func (c *computedPolicy) beginsAt(filter *policy.L4Filter, port uint16) bool {
	switch {
	case filter.PortName == "":
		return filter.Port == port
	case filter.Ingress:
		return c.owner.GetIngressNamedPort(filter.PortName, filter.U8Proto) == port
	}
	for _, resolved := range c.selector.GetEgressNamedPorts(filter.PortName, filter.U8Proto, filter.Identities(c.selectors)) {
		if resolved == port {
			return true
		}
	}
	return false
}

var patterns = map[string]*regexp.Regexp{}

// compiled returns a regular expression that was checked when the policy was parsed.
func compiled(pattern string) *regexp.Regexp {
	known := patterns[pattern]
	if known == nil {
		known = regexp.MustCompile(pattern)
		if len(patterns) > 10_000 {
			clear(patterns)
		}
		patterns[pattern] = known
	}
	return known
}
