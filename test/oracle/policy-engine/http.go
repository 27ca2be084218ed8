package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	cilium "github.com/cilium/proxy/go/cilium/api"
	envoyroute "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// judgeSNI is what Envoy decides on a new connection; the name is empty without TLS.
func (p *envoyPorts) judgeSNI(peer uint32, port uint16, name string) bool {
	return p.rulesFor(port).evaluate(true, func(rule *envoyRule) envoyVerdict {
		matches := func(pattern string) bool { return serverNameMatches(pattern, name) }
		if len(rule.ServerNames) > 0 && (name == "" || !slices.ContainsFunc(rule.ServerNames, matches)) {
			return envoyNone
		}
		return rule.forPeer(peer)
	}) == envoyAllow
}

// judgeHTTP is what Envoy decides on a request of an allowed connection. It leaves the headers as Envoy sends them on.
func (p *envoyPorts) judgeHTTP(peer uint32, port uint16, headers headerValues) bool {
	rules := p.rulesFor(port)
	if rules == nil || !rules.hasHTTP {
		return true
	}
	return rules.evaluate(!rules.hasActions, func(rule *envoyRule) envoyVerdict {
		verdict := rule.forPeer(peer)
		if verdict != envoyAllow || rule.GetHttpRules() == nil {
			return verdict
		}
		accepted := false
		for _, http := range rule.GetHttpRules().HttpRules {
			matches := func(header *envoyroute.HeaderMatcher) bool { return headers.match(header) }
			if !allOf(http.Headers, matches) {
				continue
			}
			if p.act(headers, http.HeaderMatches) {
				accepted = true
			}
			if accepted && !rules.hasActions {
				break
			}
		}
		if accepted {
			return envoyAllow
		}
		return envoyNone
	}) == envoyAllow
}

// headerValues is keyed by lower-case name.
type headerValues map[string][]string

func headersOf(request *httpRequest) headerValues {
	values := headerValues{":method": {"GET"}, ":path": {"/"}, ":authority": {request.Host}}
	if request.Method != "" {
		values[":method"] = []string{request.Method}
	}
	if request.Path != "" {
		values[":path"] = []string{request.Path}
	}
	for _, name := range slices.Sorted(maps.Keys(request.Headers)) {
		values[headerName(name)] = append(values[headerName(name)], request.Headers[name])
	}
	return values
}

// headerName is Envoy's name of a header; it has only one for the host.
func headerName(name string) string {
	name = strings.ToLower(name)
	if name == "host" {
		return ":authority"
	}
	return name
}

func (h headerValues) get(name string) (string, bool) {
	values, ok := h[headerName(name)]
	return strings.Join(values, ","), ok
}

func (h headerValues) match(header *envoyroute.HeaderMatcher) bool {
	value, ok := h.get(header.Name)
	// Only the rule of a secret that is missing is inverted, and it is meant to match nothing.
	if !ok || header.InvertMatch {
		return false
	}
	if text := header.GetStringMatch(); text != nil {
		if expression := text.GetSafeRegex(); expression != nil {
			return matchesWhole(expression.Regex, value)
		}
		return text.GetExact() == value
	}
	return header.GetPresentMatch()
}

// act runs the actions of a rule that matches otherwise; false when one of them fails the rule.
func (p *envoyPorts) act(headers headerValues, actions []*cilium.HeaderMatch) bool {
	accepted := true
	for _, action := range actions {
		name := headerName(action.Name)
		value, isPresent := headers.get(name)
		matches := isPresent && (action.Value == "" || action.Value == value)
		if matches {
			continue
		}
		switch action.MismatchAction {
		case cilium.HeaderMatch_CONTINUE_ON_MISMATCH:
		case cilium.HeaderMatch_ADD_ON_MISMATCH:
			headers[name] = append(slices.Clone(headers[name]), action.Value)
		case cilium.HeaderMatch_DELETE_ON_MISMATCH:
			delete(headers, name)
		case cilium.HeaderMatch_REPLACE_ON_MISMATCH:
			headers[name] = []string{action.Value}
		default:
			accepted = false
		}
	}
	return accepted
}

func matchesWhole(expression, value string) bool {
	return compiled(`\A(?:` + expression + `)\z`).MatchString(value)
}

var wildcards = regexp.MustCompile(`\*{1,2}|\.`)

// serverNameMatches is true when a pattern of serverNames has the name: `**` stands for one label or more, `*` for any
// part of a label, and `*` alone for every name.
func serverNameMatches(pattern, name string) bool {
	pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	if !strings.Contains(pattern, "*") {
		return pattern != "" && pattern == name
	}
	if pattern == "*" {
		pattern = "**"
	}
	return matchesWhole(wildcards.ReplaceAllStringFunc(pattern, func(part string) string {
		switch part {
		case "**":
			return `[-a-z0-9_]+(?:[.][-a-z0-9_]+)*`
		case "*":
			return `[-a-z0-9_]*`
		}
		return `[.]`
	}), name)
}

func allOf[T any](values []T, holds func(T) bool) bool {
	return !slices.ContainsFunc(values, func(value T) bool { return !holds(value) })
}
