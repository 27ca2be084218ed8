package main

import (
	"encoding/json"

	"github.com/cilium/cilium/pkg/policy/types"
)

// scenario is one line of input: a world, the policies in it, and what is asked.
type scenario struct {
	ID         string
	Config     config
	Policies   []json.RawMessage
	Endpoints  []endpoint
	Services   []service
	Secrets    map[string]map[string]string
	CIDRLabels map[string][]string
	FQDNCache  map[string][]string
	HostLabels []string
	Queries    []query
}

type config struct {
	EnableIPv4, EnableIPv6            *bool
	PolicyMode, ClusterName           string
	HostFirewall, NodeSelectorLabels  bool
	AllowLocalhost                    string
	CIDRMatchMode, Labels             []string
	ExtendedIPProtocols, LocalCluster *bool
	DumpEntries                       bool
}

type namedPort struct {
	Name     string
	Port     uint16
	Protocol string
}

type endpoint struct {
	Name, Namespace, ServiceAccount, Cluster string
	Labels, NamespaceLabels                  map[string]string
	NamedPorts                               []namedPort
	IPs                                      []string
	// Endpoints with the same number share an identity; the number itself is not used.
	Identity  uint32
	RawLabels []string
}

type service struct {
	Name, Namespace  string
	Labels, Selector map[string]string
	Backends         []string
}

type httpRequest struct {
	Method, Path, Host string
	Headers            map[string]string
}

type query struct {
	ID, Direction, From, To, Proto string
	Port                           uint16
	HTTP                           *httpRequest
	DNS, SNI                       *string

	// Of the request, as it is by now.
	headers headerValues
}

// answer is one line of output.
type answer struct {
	Scenario string       `json:"scenario"`
	ID       string       `json:"id"`
	Policy   *int         `json:"policy,omitempty"`
	Verdict  string       `json:"verdict,omitempty"`
	Final    string       `json:"final,omitempty"`
	Error    string       `json:"error,omitempty"`
	Ingress  *directional `json:"ingress,omitempty"`
	Egress   *directional `json:"egress,omitempty"`
	Endpoint string       `json:"endpoint,omitempty"`
	Entries  []mapEntry   `json:"entries,omitempty"`
}

// directional is the verdict of one endpoint's policy in one direction.
type directional struct {
	Verdict  string `json:"verdict"`
	Enforced bool   `json:"enforced"`
	Matched  bool   `json:"matched"`
	// Name of the datapath's type: `authentication.mode: required` is "spire".
	AuthType   string           `json:"authType"`
	Precedence types.Precedence `json:"precedence,omitempty"`

	err string
	// What the proxy says about the request; nil when it was not asked or cannot know.
	passes *bool
}

type mapEntry struct {
	Direction    string           `json:"direction"`
	Peer         string           `json:"peer"`
	Protocol     uint8            `json:"protocol"`
	Port         uint16           `json:"port"`
	Prefix       uint8            `json:"prefix"`
	Deny         bool             `json:"deny"`
	Precedence   types.Precedence `json:"precedence"`
	AuthType     string           `json:"authType"`
	ExplicitAuth bool             `json:"explicitAuth"`
	Redirect     bool             `json:"redirect"`
}
