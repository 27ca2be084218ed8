package main

import (
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/cilium/cilium/pkg/endpoint/regeneration"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	metav1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
	k8sutils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/types"
	"github.com/cilium/cilium/pkg/u8proto"
)

type namedPort struct {
	Name     string
	Port     uint16
	Protocol string
}

type endpoint struct {
	Name, Namespace, ServiceAccount string
	Labels, NamespaceLabels         map[string]string
	NamedPorts                      []namedPort
	IPs                             []string
}

type query struct {
	ID, Direction, From, To, Proto string
	Port                           uint16
}

type scenario struct {
	ID        string
	Config    struct{ PolicyMode string }
	Policies  []json.RawMessage
	Endpoints []endpoint
	Queries   []query
}

// world is who exists: every identity, and what each name or address in a query stands for.
type world struct {
	identities, subjects identity.IdentityMap
	byName               map[string]*identity.Identity
	byPrefix             map[netip.Prefix]*identity.Identity
	byLabels             map[string]*identity.Identity
	ports                map[identity.NumericIdentity]types.NamedPortMap
	multi                types.NamedPortMultiMap
	nextCIDR             identity.NumericIdentity
}

func newWorld(s *scenario) *world {
	w := &world{
		identities: identity.IdentityMap{}, subjects: identity.IdentityMap{},
		byName: map[string]*identity.Identity{}, byPrefix: map[netip.Prefix]*identity.Identity{},
		byLabels: map[string]*identity.Identity{}, ports: map[identity.NumericIdentity]types.NamedPortMap{},
		nextCIDR: identity.MinLocalIdentity,
	}
	for id, lbls := range identity.ListReservedIdentities() {
		w.identities[id] = lbls
		for _, l := range lbls {
			if id != identity.ReservedIdentityKubeAPIServer || l.Key == "kube-apiserver" {
				w.byName["reserved:"+l.Key] = identity.NewIdentityFromLabelArray(id, lbls)
			}
		}
	}
	multi := types.NewNamedPortMultiMap()
	next := identity.NumericIdentity(256)
	for _, e := range s.Endpoints {
		ns := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.Namespace, Labels: e.NamespaceLabels}}
		relevant, _ := labelsfilter.Filter(labels.Map2Labels(k8sutils.SanitizePodLabels(e.Labels, ns, e.ServiceAccount, "default"), labels.LabelSourceK8s))
		text := string(relevant.SortedList())
		id := w.byLabels[text]
		if id == nil {
			id = identity.NewIdentity(next, relevant)
			next++
			w.byLabels[text] = id
			w.identities[id.ID] = id.LabelArray
			w.subjects[id.ID] = id.LabelArray
		}
		w.byName[e.Namespace+"/"+e.Name] = id
		ports := types.NamedPortMap{}
		for _, p := range e.NamedPorts {
			proto, _ := u8proto.ParseProtocol(p.Protocol)
			ports[strings.ToLower(p.Name)] = types.PortProto{Proto: proto, Port: p.Port}
		}
		multi.Update(id.ID, nil, ports)
		w.ports[id.ID] = ports
		for _, ip := range e.IPs {
			w.byPrefix[netip.PrefixFrom(netip.MustParseAddr(ip), netip.MustParseAddr(ip).BitLen())] = id
		}
	}
	w.multi = multi
	return w
}

func (w *world) addPrefixes(prefixes []netip.Prefix) {
	for _, prefix := range prefixes {
		prefix = prefix.Masked()
		if prefix.Bits() == 0 || w.byPrefix[prefix] != nil {
			continue
		}
		id := identity.NewIdentity(w.nextCIDR, labels.GetCIDRLabels(prefix))
		w.nextCIDR++
		w.byPrefix[prefix] = id
		w.identities[id.ID] = id.LabelArray
	}
}

func (w *world) find(name string) *identity.Identity {
	if id := w.byName[name]; id != nil {
		return id
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return nil
	}
	for bits := addr.BitLen(); bits >= 0; bits-- {
		prefix, _ := addr.Prefix(bits)
		if id := w.byPrefix[prefix]; id != nil {
			return id
		}
	}
	return w.byName["reserved:world"]
}

func (w *world) GetNamedPorts() types.NamedPortMultiMap { return w.multi }

func (w *world) ask(repo *policy.Repository, scenario string, q query) answer {
	a := answer{Scenario: scenario, ID: q.ID, Verdict: "allowed"}
	from, to := w.find(q.From), w.find(q.To)
	if from == nil || to == nil {
		return answer{Scenario: scenario, ID: q.ID, Verdict: "unknown"}
	}
	proto, err := u8proto.ParseProtocol(q.Proto)
	if err != nil {
		return answer{Scenario: scenario, ID: q.ID, Verdict: "error", Error: err.Error()}
	}
	if q.Direction != "ingress" {
		a.Egress = w.judge(repo, from, policy.EgressKey().WithIdentity(to.ID).WithPortProto(proto, q.Port), false)
	}
	if q.Direction != "egress" {
		a.Ingress = w.judge(repo, to, policy.IngressKey().WithIdentity(from.ID).WithPortProto(proto, q.Port), true)
	}
	for _, d := range []*directional{a.Egress, a.Ingress} {
		if d == nil {
			continue
		}
		if d.Verdict == "denied" || d.Verdict == "error" || (d.Verdict == "redirect" && a.Verdict == "allowed") {
			a.Verdict = d.Verdict
		}
	}
	return a
}

func (w *world) judge(repo *policy.Repository, subject *identity.Identity, key policy.Key, ingress bool) *directional {
	if _, ok := w.subjects[subject.ID]; !ok {
		return nil
	}
	selectorPolicy, _, err := repo.ComputeSelectorPolicy(subject)
	if err != nil {
		return &directional{Verdict: "error"}
	}
	o := &owner{id: uint64(subject.ID), ports: w.ports[subject.ID]}
	redirects := map[string]uint16{}
	for filter := range selectorPolicy.RedirectFilters() {
		port := filter.Port
		if port == 0 && filter.PortName != "" && filter.Ingress {
			port = o.GetIngressNamedPort(filter.PortName, filter.U8Proto)
		}
		redirects[policy.ProxyID(uint16(o.id), filter.Ingress, string(filter.Protocol), port, "")] = 10000
	}
	for id := range w.identities {
		for _, p := range w.ports[id] {
			redirects[policy.ProxyID(uint16(o.id), false, p.Proto.String(), p.Port, "")] = 10000
		}
	}
	epp := selectorPolicy.DistillPolicy(log, o, redirects)
	epp.Ready()
	defer epp.Detach(log)
	entry, _, found := epp.Lookup(key)
	d := &directional{Verdict: "allowed", Matched: found, Enforced: epp.SelectorPolicy.EgressPolicyEnabled}
	if ingress {
		d.Enforced = epp.SelectorPolicy.IngressPolicyEnabled
	}
	switch {
	case entry.IsDeny():
		d.Verdict = "denied"
	case entry.ProxyPort != 0:
		d.Verdict = "redirect"
	}
	return d
}

// owner is the endpoint that the engine asks about itself.
type owner struct {
	id    uint64
	ports types.NamedPortMap
}

func (o *owner) GetID() uint64 { return o.id }
func (o *owner) GetIngressNamedPort(name string, proto u8proto.U8proto) uint16 {
	if p, ok := o.ports[name]; ok && p.Proto == proto {
		return p.Port
	}
	return 0
}
func (o *owner) PolicyDebug(string, ...any)                          {}
func (o *owner) IsHost() bool                                        { return false }
func (o *owner) PreviousMapStateSizes() (sizes policy.MapStateSizes) { return sizes }
func (o *owner) RegenerateIfAlive(*regeneration.ExternalRegenerationMetadata) <-chan bool {
	return nil
}
