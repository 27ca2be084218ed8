package main

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/k8s"
	v1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	metav1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
	k8sutils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/types"
)

// party is whoever can be at one end of a connection.
type party struct {
	name  string
	id    *identity.Identity
	ports types.NamedPortMap
	// Policy is enforced at it.
	isSubject bool
}

// world is who exists: every identity, and what each name or address in a query stands for.
type world struct {
	identities, subjects identity.IdentityMap
	byName               map[string]*party
	byPrefix             map[netip.Prefix]*party
	byLabels             map[string]*identity.Identity
	parties              []*party
	host                 *party
	hostLabels           labels.Labels
	multi                types.NamedPortMultiMap
	next                 map[identity.NumericIdentity]identity.NumericIdentity
	clusters             map[string]identity.NumericIdentity
}

func (w *world) GetNamedPorts() types.NamedPortMultiMap { return w.multi }

func newWorld(s *scenario, policies parsedPolicies) *world {
	w := &world{
		identities: identity.ListReservedIdentities(), subjects: identity.IdentityMap{},
		byName: map[string]*party{}, byPrefix: map[netip.Prefix]*party{},
		byLabels:   map[string]*identity.Identity{},
		next:       map[identity.NumericIdentity]identity.NumericIdentity{},
		clusters:   map[string]identity.NumericIdentity{s.Config.cluster(): 0},
		hostLabels: labels.NewFrom(labels.LabelHost),
	}
	w.hostLabels.MergeLabels(labels.NewLabelsFromModel(s.HostLabels))
	w.hostLabels = settle(w.hostLabels, netip.Prefix{})
	for id, lbls := range w.identities {
		for _, l := range lbls {
			if id != identity.ReservedIdentityKubeAPIServer || l.Key == labels.IDNameKubeAPIServer {
				name := "reserved:" + l.Key
				w.byName[name] = &party{name: name, id: identity.NewIdentityFromLabelArray(id, lbls)}
			}
		}
	}
	w.host = w.byName["reserved:"+labels.IDNameHost]
	w.host.isSubject = s.Config.HostFirewall
	prefixes := collectPrefixes(s, policies)
	w.addEndpoints(s, prefixes)
	w.addPrefixes(prefixes)
	w.host.id = identity.NewIdentity(identity.ReservedIdentityHost, w.hostLabels)
	w.identities[w.host.id.ID] = w.host.id.LabelArray
	if w.host.isSubject {
		w.parties = append(w.parties, w.host)
	}
	for _, p := range w.parties {
		if p.id.ID == identity.ReservedIdentityHost {
			p.id = w.host.id
		}
		w.subjects[p.id.ID] = p.id.LabelArray
	}
	return w
}

func (w *world) addEndpoints(s *scenario, prefixes prefixLabels) {
	multi := types.NewNamedPortMultiMap()
	for _, e := range s.Endpoints {
		orDefault(&e.Namespace)
		if e.Cluster == "" {
			e.Cluster = s.Config.cluster()
		}
		ports := types.NamedPortMap{}
		for _, p := range e.NamedPorts {
			_ = ports.AddPort(p.Name, int(p.Port), p.Protocol)
		}
		key := ""
		if e.Identity != 0 {
			key = fmt.Sprintf("#%d", e.Identity)
		}
		lbls := e.identityLabels(ports)
		if option.Config.PolicyCIDRMatchesPods() && !lbls.IsReserved() {
			maps.Copy(lbls, prefixes.ofPod(e.IPs))
		}
		p := &party{name: e.Namespace + "/" + e.Name, id: w.identifyIn(e.Cluster, lbls, key), ports: ports, isSubject: true}
		if p.id.ID == identity.ReservedIdentityHost {
			w.hostLabels.MergeLabels(lbls)
		}
		multi.Update(p.id.ID, nil, ports)
		w.parties = append(w.parties, p)
		w.byName[p.name] = p
		if _, taken := w.byName[e.Name]; !taken {
			w.byName[e.Name] = p
		}
		for _, ip := range e.IPs {
			if addr, err := netip.ParseAddr(ip); err == nil {
				w.byPrefix[netip.PrefixFrom(addr, addr.BitLen())] = p
			}
		}
	}
	w.multi = multi
}

// identityLabels returns the labels that the agent derives from a pod. The names of its ports count: pods that differ in
// them have different identities.
func (e endpoint) identityLabels(ports types.NamedPortMap) labels.Labels {
	if e.RawLabels != nil {
		return labels.NewLabelsFromModel(e.RawLabels)
	}
	namespace := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.Namespace, Labels: e.NamespaceLabels}}
	all := labels.Map2Labels(k8sutils.SanitizePodLabels(e.Labels, namespace, e.ServiceAccount, e.Cluster), labels.LabelSourceK8s)
	relevant, _ := labelsfilter.Filter(all)
	for _, label := range k8s.NamedPortsIdentityLabels(ports) {
		relevant[label.Key] = label
	}
	return relevant
}

// identifyIn returns the identity of a pod in a cluster: its number tells which cluster.
func (w *world) identifyIn(cluster string, lbls labels.Labels, key string) *identity.Identity {
	number, known := w.clusters[cluster]
	if !known {
		number = identity.NumericIdentity(len(w.clusters))
		w.clusters[cluster] = number
	}
	return w.allocate(lbls, key, number<<identity.GetClusterIDShift())
}

// identify returns the identity with these labels, or with the key if there is one, and makes it when it is missing.
func (w *world) identify(lbls labels.Labels, key string) *identity.Identity {
	return w.allocate(lbls, key, identity.ScopeForLabels(lbls))
}

func (w *world) allocate(lbls labels.Labels, key string, base identity.NumericIdentity) *identity.Identity {
	if reserved := identity.LookupReservedIdentityByLabels(lbls); reserved != nil {
		return reserved
	}
	if key == "" {
		key = string(lbls.SortedList())
	}
	if known := w.byLabels[key]; known != nil {
		return known
	}
	number := w.next[base]
	if number == 0 {
		number = base + 1
		if base.Scope() == identity.IdentityScopeGlobal {
			number = base + identity.MinimalNumericIdentity
		}
	}
	w.next[base] = number + 1
	id := identity.NewIdentity(number, lbls)
	w.byLabels[key] = id
	w.identities[id.ID] = id.LabelArray
	return id
}

// find returns nil when nobody is called that.
func (w *world) find(name string) *party {
	if p := w.byName[name]; p != nil {
		return p
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return nil
	}
	for bits := addr.BitLen(); bits >= 0; bits-- {
		prefix, _ := addr.Prefix(bits)
		if p := w.byPrefix[prefix]; p != nil {
			return p
		}
	}
	outside := identity.LookupReservedIdentity(identity.GetWorldIdentityFromIP(addr))
	return &party{name: name, id: outside}
}
