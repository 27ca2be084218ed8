export { type Agent, startAgent } from "./agent.ts";
export { createPolicyEngine } from "./policy-engine.ts";
export type { ProxyChannel } from "./ports.ts";
