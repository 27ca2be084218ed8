import { request } from "node:http";
import type { EndpointChangeRequest, IpamResponse } from "../agent/api.ts";

/** A refusal by the agent; the message is the agent's. */
export class AgentError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = "AgentError";
    this.status = status;
  }
}

export interface AgentClient {
  allocate(owner: string): Promise<IpamResponse>;
  release(address: string): Promise<void>;
  /** Resolves when the endpoint's policy is in force. */
  putEndpoint(endpoint: EndpointChangeRequest): Promise<void>;
  deleteEndpoint(containerId: string): Promise<void>;
}

const TIMEOUT_MS = 30_000;

/** The agent's API on its unix socket. Calls reject with AgentError, or with the connection's error when it is down. */
export function createAgentClient(socketPath: string): AgentClient {
  const call = (method: string, path: string, body?: unknown) => callAgent(socketPath, method, path, body);
  return {
    allocate: async (owner) => (await call("POST", "/v1/ipam", { owner })) as IpamResponse,
    release: async (address) => void (await call("DELETE", `/v1/ipam/${address}`)),
    putEndpoint: async (endpoint) => void (await call("PUT", `/v1/endpoint/${endpoint.containerId}`, endpoint)),
    deleteEndpoint: async (containerId) => void (await call("DELETE", `/v1/endpoint/${containerId}`)),
  };
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

function callAgent(socketPath: string, method: string, path: string, body: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = { Host: "cilium", "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
    const sent = request({ socketPath, method, path, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const answer = parse(Buffer.concat(chunks).toString());
        const status = response.statusCode ?? 0;
        if (status < 300) resolve(answer);
        else reject(new AgentError(status, typeof answer === "string" ? answer : `status ${status}`));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer from the agent in ${TIMEOUT_MS / 1000} s`)));
    sent.on("error", reject);
    sent.end(text);
  });
}
