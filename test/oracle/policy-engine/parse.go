package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	ipcachetypes "github.com/cilium/cilium/pkg/ipcache/types"
	"github.com/cilium/cilium/pkg/k8s"
	v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	networkingv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/policy/types"
	policyutils "github.com/cilium/cilium/pkg/policy/utils"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"
)

type parsedPolicy struct {
	resource ipcachetypes.ResourceID
	entries  types.PolicyEntries
}

type parsedPolicies struct {
	rules  []parsedPolicy
	groups map[string]*v2.CiliumCIDRGroup
}

type refusal struct {
	index int
	err   error
}

// parsePolicies reads every policy as the agent does. A later object of the same kind and name replaces the earlier one.
func parsePolicies(s *scenario) (p parsedPolicies, refused []refusal) {
	p.groups = map[string]*v2.CiliumCIDRGroup{}
	for index, raw := range s.Policies {
		documents, err := documentsOf(raw)
		if err != nil {
			refused = append(refused, refusal{index, err})
		}
		for _, document := range documents {
			if err := p.add(s, document); err != nil {
				refused = append(refused, refusal{index, err})
			}
		}
	}
	return p, refused
}

// documentsOf returns the objects in a policy that is an object, or YAML text.
func documentsOf(raw json.RawMessage) (documents []json.RawMessage, err error) {
	if len(raw) == 0 || raw[0] != '"' {
		return []json.RawMessage{raw}, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	reader := yamlreader.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return documents, err
		}
		converted, err := yaml.YAMLToJSON(document)
		if err != nil {
			return documents, err
		}
		if string(converted) != "null" {
			documents = append(documents, converted)
		}
	}
}

func (p *parsedPolicies) add(s *scenario, raw json.RawMessage) (err error) {
	// What the API server would have refused can make the agent panic.
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	var header struct{ Kind string }
	if err := json.Unmarshal(raw, &header); err != nil {
		return err
	}
	if header.Kind == "CiliumCIDRGroup" {
		var group v2.CiliumCIDRGroup
		if err := json.Unmarshal(raw, &group); err != nil {
			return err
		}
		p.groups[group.Name] = &group
		return nil
	}
	resource, entries, err := parseRules(s, header.Kind, raw)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Subject == nil {
			// The agent itself panics on it; the API server keeps it from ever seeing one.
			return errors.New("no subject")
		}
	}
	p.rules = slices.DeleteFunc(p.rules, func(known parsedPolicy) bool { return known.resource == resource })
	p.rules = append(p.rules, parsedPolicy{resource, entries})
	return nil
}

func parseRules(s *scenario, kind string, raw json.RawMessage) (ipcachetypes.ResourceID, types.PolicyEntries, error) {
	cluster := s.Config.policyCluster()
	switch kind {
	case "CiliumNetworkPolicy":
		var cnp v2.CiliumNetworkPolicy
		if err := json.Unmarshal(raw, &cnp); err != nil {
			return "", nil, err
		}
		orDefault(&cnp.Namespace)
		resolveServices(s.Services, cnp.Spec, cnp.Specs)
		rules, err := cnp.Parse(log, cluster)
		return ipcachetypes.NewResourceID(ipcachetypes.ResourceKindCNP, cnp.Namespace, cnp.Name), policyutils.RulesToPolicyEntries(rules), err
	case "CiliumClusterwideNetworkPolicy":
		var ccnp v2.CiliumClusterwideNetworkPolicy
		if err := json.Unmarshal(raw, &ccnp); err != nil {
			return "", nil, err
		}
		resolveServices(s.Services, ccnp.Spec, ccnp.Specs)
		rules, err := ccnp.Parse(log, cluster)
		return ipcachetypes.NewResourceID(ipcachetypes.ResourceKindCCNP, "", ccnp.Name), policyutils.RulesToPolicyEntries(rules), err
	case "NetworkPolicy":
		var np networkingv1.NetworkPolicy
		if err := json.Unmarshal(raw, &np); err != nil {
			return "", nil, err
		}
		orDefault(&np.Namespace)
		entries, err := k8s.ParseNetworkPolicy(log, cluster, &np)
		return ipcachetypes.NewResourceID(ipcachetypes.ResourceKindNetpol, np.Namespace, np.Name), entries, err
	case "ClusterNetworkPolicy":
		var cnp policyv1alpha2.ClusterNetworkPolicy
		if err := json.Unmarshal(raw, &cnp); err != nil {
			return "", nil, err
		}
		entries, err := k8s.ParseClusterNetworkPolicy(log, cluster, &cnp)
		return ipcachetypes.NewResourceID(ipcachetypes.ResourceKindKCNP, "", cnp.Name), entries, err
	}
	return "", nil, fmt.Errorf("kind %q", kind)
}

// orDefault names the namespace in which the API server would put the object.
func orDefault(namespace *string) {
	if *namespace == "" {
		*namespace = "default"
	}
}
