package main

import (
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/types"
	"github.com/cilium/cilium/pkg/u8proto"
)

func (e *engine) ask(scenario string, q query) answer {
	a := answer{Scenario: scenario, ID: q.ID}
	from, to := e.world.find(q.From), e.world.find(q.To)
	if from == nil || to == nil {
		name := q.From
		if from != nil {
			name = q.To
		}
		a.Verdict, a.Error = "unknown", "nobody is called "+name
		return a
	}
	if q.Proto == "" {
		q.Proto = "TCP"
	}
	proto, err := u8proto.ParseProtocol(q.Proto)
	if err != nil || proto == u8proto.ANY {
		a.Verdict, a.Error = "error", "protocol "+q.Proto
		return a
	}
	// The proxy of the one end gets what that of the other has sent on.
	if q.HTTP != nil {
		q.headers = headersOf(q.HTTP)
	}
	if q.Direction != "ingress" && from.isSubject {
		a.Egress = e.judge(from, to, q, proto, false)
	}
	if q.Direction != "egress" && to.isSubject {
		a.Ingress = e.judge(to, from, q, proto, true)
	}
	a.combine()
	return a
}

// combine derives the verdict on the connection, and its fate, from the two ends. Authentication is not considered.
func (a *answer) combine() {
	a.Verdict = "allowed"
	isKnown, isDropped := true, false
	for _, d := range []*directional{a.Egress, a.Ingress} {
		if d == nil {
			continue
		}
		switch d.Verdict {
		case "error":
			a.Verdict, a.Error = "error", d.err
			return
		case "denied":
			a.Verdict, isDropped = "denied", true
		case "redirect":
			if a.Verdict == "allowed" {
				a.Verdict = "redirect"
			}
			isKnown = isKnown && d.passes != nil
			isDropped = isDropped || d.passes != nil && !*d.passes
		}
	}
	switch {
	case isDropped:
		a.Final = "dropped"
	case isKnown:
		a.Final = "forwarded"
	}
}

func (e *engine) judge(subject, peer *party, q query, proto u8proto.U8proto, ingress bool) *directional {
	c := e.policyOf(subject)
	if c.err != nil {
		return &directional{Verdict: "error", AuthType: types.AuthTypeDisabled.String(), err: c.err.Error()}
	}
	key := policy.EgressKey()
	d := &directional{Verdict: "allowed", Enforced: c.SelectorPolicy.EgressPolicyEnabled}
	if ingress {
		key, d.Enforced = policy.IngressKey(), c.SelectorPolicy.IngressPolicyEnabled
	}
	// The prefix says that a port of 0 (the ICMP type) is that port and not any.
	entry, _, found := c.Lookup(key.WithIdentity(peer.id.ID).WithPortProtoPrefix(proto, q.Port, 16))
	d.Matched, d.AuthType = found, entry.AuthRequirement.AuthType().String()
	if found {
		d.Precedence = entry.Precedence
	}
	switch {
	case entry.IsDeny():
		d.Verdict = "denied"
	case entry.IsRedirectEntry():
		d.Verdict = "redirect"
		d.passes = e.judgeRequest(c, peer, q, proto, ingress, entry)
	}
	return d
}

// judgeRequest says whether the proxy lets the request through; nil when the query has not the facts for it. The low
// byte of an entry's precedence tells the kind of the proxy.
func (e *engine) judgeRequest(c *computedPolicy, peer *party, q query, proto u8proto.U8proto, ingress bool, entry types.MapStateEntry) *bool {
	var passes bool
	switch 255 - types.ListenerPriority(entry.Precedence&255) {
	case policy.ListenerPriorityDNS:
		if q.DNS == nil {
			return nil
		}
		passes = c.judgeName(peer, *q.DNS, proto, q.Port, ingress)
	case policy.ListenerPriorityHTTP, policy.ListenerPriorityTLS:
		isHTTP := 255-types.ListenerPriority(entry.Precedence&255) == policy.ListenerPriorityHTTP
		if q.HTTP == nil && q.SNI == nil {
			return nil
		}
		ports := e.envoyOf(c, ingress)
		if passes = ports.judgeSNI(uint32(peer.id.ID), q.Port, orElse(q.SNI, "")); passes && isHTTP {
			if q.HTTP == nil {
				return nil
			}
			passes = ports.judgeHTTP(uint32(peer.id.ID), q.Port, q.headers)
		}
	default:
		// A listener of somebody's own: only it knows.
		return nil
	}
	return &passes
}
