/**
 * `shieldgate/policy`: the policy engine as a library. Pure: no files, no clock, no randomness, so that it runs in Node and in a
 * browser alike. docs/policy-engine.md says how the parts go together.
 */

export { ReservedIdentity } from "../model/addresses.ts";
export { type Cidr, cidrContains, formatCidr, parseAddress, parseCidr } from "../model/cidr.ts";
export { cidrGroupLabels } from "../model/cidr-group-label.ts";
export { cidrLabels } from "../model/cidr-label.ts";
export {
  identityCandidates,
  identityLabelsOfPod,
  identityNumber,
  type PodFacts,
  reservedIdentities,
  reservedIdentityLabels,
} from "../model/identity.ts";
export { clusterOfIdentity, type IdentityScope, scopeOfIdentity, scopeOfLabels } from "../model/identity-scope.ts";
export { formatLabel, formatLabels, type Label, type Labels, parseLabel, toLabels } from "../model/label.ts";
export { isSecurityRelevant, type LabelFilter, parseLabelFilter } from "../model/label-filter.ts";
export { Protocol, protocolName, protocolNumber } from "../model/protocol.ts";
export {
  type CidrGroupSelector,
  type CidrSelector,
  type FqdnSelector,
  fqdnLabelKey,
  type LabelSelector,
  type Requirement,
  type Selector,
  type SelectorOperator,
  selects,
} from "../model/selector.ts";
export { type Direction, MatchType } from "../model/verdict.ts";
export { wellKnownIdentities, wellKnownIdentity } from "../model/well-known-identity.ts";
export { PolicyConflict } from "./clause.ts";
export { AuthType } from "./column.ts";
export { type ComputedPolicy, type EntryChanges, type EntryRun, spelledOut } from "./computed-policy.ts";
export { compileFqdn } from "./dns-rule.ts";
export {
  type Candidate,
  type ConnectionExplanation,
  type Explanation,
  explain,
  explainConnection,
  originName,
} from "./explain.ts";
export type { HeaderAction, HttpRequestFacts, Secrets } from "./http-rule.ts";
export { dnsVerdict, httpVerdict, judgeL7, type L7Facts, type L7Verdict, serverNameVerdict } from "./judge-l7.ts";
export type { DnsRule, HeaderMatch, HttpRule, MismatchAction } from "./l7-rule.ts";
export { type LookupQuery, type LookupResult, lookup } from "./lookup.ts";
export { distinctPorts, type NamedPort, type NamedPortsOf } from "./named-ports.ts";
export type { Origins } from "./origin.ts";
export {
  type CidrGroupResult,
  type ParseOptions,
  type ParseResult,
  POLICY_KINDS,
  parseCidrGroup,
  parsePolicy,
} from "./parse.ts";
export { PolicyCache, type PolicyUpdate } from "./policy-cache.ts";
export type { EndpointPolicy, L7PeerRules, L7Redirect, PolicyMapEntry, RuleOrigin } from "./policy-map.ts";
export {
  type PolicyText,
  readPolicyText,
  type TextDocument,
  type TextError,
  type TextLimits,
} from "./policy-text.ts";
export { type ReadScenario, readScenario } from "./read-scenario.ts";
export { Repository, requiredCidrs, requiredFqdns, type StoredPolicy } from "./repository.ts";
export { resolveEndpointPolicy } from "./resolve.ts";
export {
  type AuthMode,
  type CidrGroup,
  type FieldError,
  type FieldWarning,
  type ListenerRef,
  type Peer,
  type PeerRule,
  type PolicyKey,
  type PortRule,
  type PortSpec,
  type Rule,
  type RuleVerdict,
  type ServicePeer,
  Tier,
  type TlsContext,
} from "./rule.ts";
export { evaluateScenario } from "./scenario.ts";
export type {
  Answer,
  DirectionAnswer,
  EntryAnswer,
  Scenario,
  ScenarioConfig,
  ScenarioEndpoint,
  ScenarioHttp,
  ScenarioQuery,
} from "./scenario-format.ts";
export { type IdentityChange, type Selection, SelectorCache } from "./selector-cache.ts";
export type { ServiceFacts } from "./service-peers.ts";
export type { PolicyMode, ResolveOptions, Subject } from "./stance.ts";
