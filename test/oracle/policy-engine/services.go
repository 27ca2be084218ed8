package main

import (
	"maps"
	"net/netip"

	k8sconst "github.com/cilium/cilium/pkg/k8s/apis/cilium.io"
	metav1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/types"
)

// serviceLabels is matched by key alone, whatever source the selector names.
type serviceLabels map[string]string

func (l serviceLabels) GetLabel(label *labels.Label) string { return l[label.Key] }
func (l serviceLabels) HasLabel(label *labels.Label) bool   { _, ok := l[label.Key]; return ok }
func (l serviceLabels) LookupLabel(label *labels.Label) (string, bool) {
	value, ok := l[label.Key]
	return value, ok
}

// resolveServices writes the peers behind toServices into the rules, as the agent does before it parses them: endpoints
// for a service with a selector, addresses for one without. The service's own selector and backends count, not its ports.
func resolveServices(services []service, spec *api.Rule, specs api.Rules) {
	for _, rule := range append(api.Rules{spec}, specs...) {
		if rule == nil {
			continue
		}
		for i := range rule.Egress {
			for _, wanted := range rule.Egress[i].ToServices {
				for _, svc := range services {
					if svc.isMeantBy(wanted) {
						svc.addTo(&rule.Egress[i])
					}
				}
			}
		}
	}
}

func (svc service) isMeantBy(wanted api.Service) bool {
	orDefault(&svc.Namespace)
	if selector := wanted.K8sServiceSelector; selector != nil {
		return (selector.Namespace == "" || selector.Namespace == svc.Namespace) &&
			types.Matches(types.NewLabelSelector(api.EndpointSelector(selector.Selector)), serviceLabels(svc.Labels))
	}
	ref := wanted.K8sService
	return ref != nil && (ref.Namespace == "" || ref.Namespace == svc.Namespace) && ref.ServiceName == svc.Name
}

func (svc service) addTo(rule *api.EgressRule) {
	orDefault(&svc.Namespace)
	if len(svc.Selector) > 0 {
		wanted := maps.Clone(svc.Selector)
		wanted[k8sconst.PodNamespaceLabel] = svc.Namespace
		selector := api.NewESFromK8sLabelSelector(labels.LabelSourceK8sKeyPrefix, &metav1.LabelSelector{MatchLabels: wanted})
		selector.Generated = true
		rule.ToEndpoints = append(rule.ToEndpoints, selector)
		return
	}
	for _, backend := range svc.Backends {
		addr, err := netip.ParseAddr(backend)
		if err != nil {
			continue
		}
		cidr := api.CIDR(netip.PrefixFrom(addr, addr.BitLen()).String())
		rule.ToCIDRSet = append(rule.ToCIDRSet, api.CIDRRule{Cidr: cidr, Generated: true})
	}
}
