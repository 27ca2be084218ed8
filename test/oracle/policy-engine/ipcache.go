package main

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cilium/cilium/pkg/identity"
	v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	k8sutils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
)

// prefixLabels is what is known of each prefix by itself: from policies, CIDR groups, names, and the scenario.
type prefixLabels map[netip.Prefix]labels.Labels

func (p prefixLabels) add(prefix netip.Prefix, lbls labels.Labels) {
	prefix = prefix.Masked()
	if p[prefix] == nil {
		p[prefix] = labels.Labels{}
	}
	for key, label := range lbls {
		if _, known := p[prefix][key]; !known {
			p[prefix][key] = label
		}
	}
}

func collectPrefixes(s *scenario, policies parsedPolicies) prefixLabels {
	p := prefixLabels{}
	for text, list := range s.CIDRLabels {
		if prefix, err := parsePrefix(text); err == nil {
			p.add(prefix, labels.NewLabelsFromModel(list))
		}
	}
	var names []*api.FQDNSelector
	for _, parsed := range policies.rules {
		for _, prefix := range policy.GetCIDRPrefixes(parsed.entries) {
			p.add(prefix, labels.GetCIDRLabels(prefix))
		}
		for _, entry := range parsed.entries {
			for _, selector := range entry.L3 {
				if name, ok := selector.GetFQDNSelector(); ok {
					names = append(names, name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(policies.groups)) {
		p.addGroup(policies.groups[name])
	}
	p.addNames(s.FQDNCache, names)
	return p
}

// addGroup gives each prefix of a CiliumCIDRGroup the group's labels: its name, and the object's labels in two forms.
func (p prefixLabels) addGroup(group *v2.CiliumCIDRGroup) {
	for _, cidr := range group.Spec.ExternalCIDRs {
		prefix, err := netip.ParsePrefix(string(cidr))
		if err != nil {
			continue
		}
		lbls := labels.Labels{}
		for key, value := range k8sutils.RemoveCiliumLabels(group.Labels) {
			label := labels.NewLabel(key, value, labels.LabelSourceCIDRGroup)
			lbls[label.Key] = label
			encoded := labels.EncodedCIDRGroupLabel(label.Key, label.Value, label.Source)
			lbls[encoded.Key] = encoded
		}
		name := api.LabelForCIDRGroupRef(group.Name)
		lbls[name.Key] = name
		lbls.AddWorldLabel(prefix.Addr())
		p.add(prefix, lbls)
	}
}

// addNames labels the addresses of each name in the cache with the FQDN selectors that match the name.
func (p prefixLabels) addNames(cache map[string][]string, selectors []*api.FQDNSelector) {
	for name, addresses := range cache {
		name = strings.ToLower(strings.TrimSuffix(name, ".")) + "."
		lbls := labels.Labels{}
		for _, selector := range selectors {
			if pattern, err := selector.ToRegex(); err == nil && pattern.MatchString(name) {
				label := selector.IdentityLabel()
				lbls[label.Key] = label
			}
		}
		for _, address := range addresses {
			if addr, err := netip.ParseAddr(address); err == nil && len(lbls) > 0 {
				p.add(netip.PrefixFrom(addr, addr.BitLen()), lbls)
			}
		}
	}
}

// merge returns the labels of a prefix and those of every shorter prefix around it, nearer first, with one CIDR label at
// most.
func (p prefixLabels) merge(prefix netip.Prefix) labels.Labels {
	merged := labels.Labels{}
	hasCIDR := false
	for bits := prefix.Bits(); bits >= 0; bits-- {
		around, _ := prefix.Addr().Prefix(bits)
		inherited := p[around]
		hadCIDR := hasCIDR
		for key, label := range inherited {
			isCIDR := label.Source == labels.LabelSourceCIDR
			if _, known := merged[key]; known || isCIDR && hadCIDR {
				continue
			}
			merged[key] = label
			hasCIDR = hasCIDR || isCIDR
		}
	}
	return merged
}

// ofPod returns the labels that a pod has for its addresses when CIDR selectors may select pods.
func (p prefixLabels) ofPod(ips []string) labels.Labels {
	found := labels.Labels{}
	for _, ip := range ips {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			continue
		}
		hasCIDR := false
		for _, label := range p.merge(netip.PrefixFrom(addr, addr.BitLen())) {
			if label.Source == labels.LabelSourceCIDR || label.Source == labels.LabelSourceCIDRGroup {
				found[label.GetExtendedKey()] = label
				hasCIDR = hasCIDR || label.Source == labels.LabelSourceCIDR
			}
		}
		if !hasCIDR {
			everything := labels.ParseLabel("cidr:0.0.0.0/0")
			if addr.Is6() {
				everything = labels.ParseLabel("cidr:::/0")
			}
			found[everything.GetExtendedKey()] = everything
		}
	}
	return found
}

// settle removes the labels that a member of the cluster cannot have, and adds the world to the others.
func settle(lbls labels.Labels, prefix netip.Prefix) labels.Labels {
	isNode := lbls.HasRemoteNodeLabel() || lbls.HasHostLabel()
	isInCluster := isNode || lbls.HasHealthLabel() || lbls.HasIngressLabel()
	if isInCluster {
		lbls.Remove(labels.LabelWorld)
		lbls.Remove(labels.LabelWorldIPv4)
		lbls.Remove(labels.LabelWorldIPv6)
	}
	if isInCluster && !(isNode && option.Config.PolicyCIDRMatchesNodes()) {
		for _, source := range []string{labels.LabelSourceCIDR, labels.LabelSourceFQDN, labels.LabelSourceCIDRGroup} {
			lbls.RemoveFromSource(source)
		}
	}
	if !isNode || !option.Config.PerNodeLabelsEnabled() {
		lbls.RemoveFromSource(labels.LabelSourceNode)
	}
	if !isInCluster && prefix.IsValid() {
		lbls.AddWorldLabel(prefix.Addr())
	}
	return lbls
}

// addPrefixes gives every known prefix its identity. Prefixes with the same labels share one.
func (w *world) addPrefixes(known prefixLabels) {
	prefixes := make([]netip.Prefix, 0, len(known))
	for prefix := range known {
		prefixes = append(prefixes, prefix)
	}
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int {
		if order := a.Addr().Compare(b.Addr()); order != 0 {
			return order
		}
		return a.Bits() - b.Bits()
	})
	for _, prefix := range prefixes {
		lbls := settle(known.merge(prefix), prefix)
		if id := identity.LookupReservedIdentityByLabels(lbls); id != nil && id.ID == identity.ReservedIdentityHost {
			w.hostLabels.MergeLabels(lbls)
			w.byPrefix[prefix] = w.host
			continue
		}
		if _, isPod := w.byPrefix[prefix]; !isPod {
			w.byPrefix[prefix] = &party{name: prefix.String(), id: w.identify(lbls, "")}
		}
	}
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
