package main

import (
	"fmt"
	"net/netip"

	"github.com/cilium/cilium/api/v1/flow"
	"github.com/cilium/cilium/pkg/hubble/parser/getters"
	"github.com/cilium/cilium/pkg/hubble/testutils"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/ipcache"
	"github.com/cilium/cilium/pkg/labels"
)

// endpoint is a pod; one with an id lives on this node.
type endpoint struct {
	ID        uint64 `json:"id"`
	Identity  uint32 `json:"identity"`
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
}

// world is what an agent knows; everything that a parser asks is answered from it.
type world struct {
	Endpoints  map[string]endpoint     `json:"endpoints"`
	Identities map[string]uint32       `json:"identities"`
	Labels     map[uint32][]string     `json:"labels"`
	Services   map[string]flow.Service `json:"services"`
	Names      map[string][]string     `json:"names"`
	Interfaces map[int]string          `json:"interfaces"`
}

func (w *world) labelsOf(id uint32) labels.Labels {
	return labels.ParseLabelArray(w.Labels[id]...).Labels()
}

func (w *world) info(known endpoint) getters.EndpointInfo {
	return &testutils.FakeEndpointInfo{
		ID: known.ID, Identity: identity.NumericIdentity(known.Identity), PodName: known.Pod, PodNamespace: known.Namespace,
		Labels: w.Labels[known.Identity],
	}
}

func (w *world) GetEndpointInfo(ip netip.Addr) (getters.EndpointInfo, bool) {
	known, ok := w.Endpoints[ip.String()]
	if !ok || known.ID == 0 {
		return nil, false
	}
	return w.info(known), true
}

func (w *world) GetEndpointInfoByID(id uint16) (getters.EndpointInfo, bool) {
	for _, known := range w.Endpoints {
		if known.ID == uint64(id) {
			return w.info(known), true
		}
	}
	return nil, false
}

func (w *world) GetIdentity(id uint32) (*identity.Identity, error) {
	if _, ok := w.Labels[id]; !ok {
		return nil, fmt.Errorf("identity %d is not known", id)
	}
	return &identity.Identity{ID: identity.NumericIdentity(id), Labels: w.labelsOf(id)}, nil
}

func (w *world) GetK8sMetadata(ip netip.Addr) *ipcache.K8sMetadata {
	known, ok := w.Endpoints[ip.String()]
	if !ok {
		return nil
	}
	return &ipcache.K8sMetadata{Namespace: known.Namespace, PodName: known.Pod}
}

func (w *world) LookupSecIDByIP(ip netip.Addr) (ipcache.Identity, bool) {
	id, ok := w.Identities[ip.String()]
	return ipcache.Identity{ID: identity.NumericIdentity(id)}, ok
}

func (w *world) GetNamesOf(id uint32, ip netip.Addr) []string {
	return w.Names[fmt.Sprintf("%d %s", id, ip)]
}

func (w *world) GetServiceByAddr(ip netip.Addr, port uint16) *flow.Service {
	known, ok := w.Services[fmt.Sprintf("%s %d", ip, port)]
	if !ok {
		return nil
	}
	return &flow.Service{Name: known.Name, Namespace: known.Namespace}
}

func (w *world) GetIfNameCached(index int) (string, bool) {
	name, ok := w.Interfaces[index]
	return name, ok
}

func (w *world) Name(index uint32) string {
	return w.Interfaces[int(index)]
}
