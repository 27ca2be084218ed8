export { type Agent, startAgent } from "./agent.ts";
export type { AgentOptions } from "./options.ts";
export { createPolicyEngine } from "./policy-engine.ts";
export type { AgentNode, FlowSink, PolicyEngine, ProxyChannel } from "./ports.ts";
