package main

import (
	"fmt"

	"github.com/cilium/cilium/pkg/endpoint/regeneration"
	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/proxy/accesslog"
	"github.com/cilium/cilium/pkg/u8proto"
)

// proxyPort stands for every proxy: which one it is follows from the precedence of the entry.
const proxyPort = 10000

// engine answers the queries of one scenario.
type engine struct {
	repo       *policy.Repository
	world      *world
	translator envoypolicy.EnvoyL7RulesTranslator
	computed   map[*party]*computedPolicy
}

// computedPolicy is the policy of one endpoint.
type computedPolicy struct {
	*policy.EndpointPolicy
	selector  policy.SelectorPolicy
	owner     *owner
	selectors policy.SelectorSnapshot
	// Envoy's view, made when a request is first judged.
	ingress, egress *envoyPorts
	err             error
}

func (e *engine) policyOf(p *party) *computedPolicy {
	c := e.computed[p]
	if c == nil {
		c = e.compute(p)
		e.computed[p] = c
	}
	return c
}

func (e *engine) compute(p *party) (c *computedPolicy) {
	// What the API server would have refused can make the agent panic.
	defer func() {
		if problem := recover(); problem != nil {
			c = &computedPolicy{err: fmt.Errorf("panic: %v", problem)}
		}
	}()
	selector, _, err := e.repo.ComputeSelectorPolicy(p.id)
	if err != nil {
		return &computedPolicy{err: err}
	}
	o := &owner{id: uint64(len(e.computed) + 1), party: p}
	computed := selector.DistillPolicy(log, o, map[string]uint16{policy.FallbackRedirectID: proxyPort})
	return &computedPolicy{EndpointPolicy: computed, selector: selector, owner: o, selectors: computed.GetPolicySelectors()}
}

// owner is the endpoint that the engine, and the proxy's configuration, ask about itself.
type owner struct {
	id    uint64
	party *party
}

func (o *owner) GetID() uint64 { return o.id }
func (o *owner) GetIngressNamedPort(name string, proto u8proto.U8proto) uint16 {
	port, err := o.party.ports.GetNamedPort(name, proto)
	if err != nil {
		return 0
	}
	return port
}
func (o *owner) PolicyDebug(string, ...any)                          {}
func (o *owner) IsHost() bool                                        { return o.party.id.ID == identity.ReservedIdentityHost }
func (o *owner) PreviousMapStateSizes() (sizes policy.MapStateSizes) { return sizes }
func (o *owner) RegenerateIfAlive(*regeneration.ExternalRegenerationMetadata) <-chan bool {
	return nil
}
func (o *owner) GetPolicyNames() []string   { return []string{o.party.name} }
func (o *owner) GetIPv4Address() string     { return "" }
func (o *owner) GetIPv6Address() string     { return "" }
func (o *owner) OnProxyPolicyUpdate(uint64) {}
func (o *owner) UpdateProxyStatistics(string, string, uint16, uint16, bool, bool, accesslog.FlowVerdict) {
}

// GetListenerProxyPort is not proxyPort, so that rules for a listener of its own do not apply to our proxies.
func (o *owner) GetListenerProxyPort(string) uint16 { return proxyPort + 1 }
