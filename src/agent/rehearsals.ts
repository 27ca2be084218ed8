import { create } from "@bufbuild/protobuf";
import type { Flow } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import type { Datapath, WatchedPort } from "../datapath/port.ts";
import { MOST_WATCHED } from "../datapath/port.ts";
import { unreadFlow } from "../flow/access.ts";
import { connectionFlow } from "../flow/connection.ts";
import type { FlowContext } from "../flow/context.ts";
import { messageJson } from "../flow/print/index.ts";
import { fieldsOf, listOf } from "../kube/object.ts";
import type { AccessRecord } from "../model/access-record.ts";
import type { Log } from "../model/log.ts";
import { selects } from "../model/selector.ts";
import { parsePolicy } from "../policy/parse.ts";
import type { Rule } from "../policy/rule.ts";
import { type NamedPort, namedPortsOf } from "./cilium-endpoint.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { KubeInputs } from "./kube-inputs.ts";
import { Overheard } from "./overheard.ts";
import type { Unread } from "./overheard-stream.ts";
import type { PodKnowledge } from "./pod-knowledge.ts";
import { ApiError } from "./rest/request.ts";
import { WatchedPorts, watchedPortsOf } from "./watched-ports.ts";

/** What whoever rehearses is told; each is a line of JSON. */
export type RehearsalNews =
  /** The ports of this node's endpoints where requests are looked at. */
  | { readonly watched: number }
  /** Connections to them, at least, in which something could not be read, by why. */
  | { readonly unread: Readonly<Partial<Record<Unread, number>>> }
  /** A connection of an endpoint that the candidate is about, which stood before or is not read: a response of Hubble as JSON. */
  | { readonly connection: unknown };

interface Rehearsal {
  readonly rules: readonly Rule[];
  readonly tell: (news: RehearsalNews) => void;
}

export interface RehearsalParts {
  readonly datapath: Pick<Datapath, "watchPorts" | "connections">;
  readonly table: EndpointTable;
  readonly pods: PodKnowledge;
  readonly inputs: Pick<KubeInputs, "endpoints">;
  readonly clusterName: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}

/** FIN and RST among the flags of TCP. */
const ENDED = 0x05;
/** Of client and server between whom something could not be read. */
const MOST_PAIRS = 4096;

/**
 * Candidate policies that somebody rehearses. Nothing is enforced by them: requests at the ports that their rules judge are looked
 * at as they pass, and become flows as if a proxy had let them through. A candidate is held as long as its client stays.
 */
export class Rehearsals {
  private readonly parts: RehearsalParts;
  private readonly running = new Set<Rehearsal>();
  private watched = new WatchedPorts();
  private unread: Partial<Record<Unread, number>> = {};
  /** Flows of those between whom something could not be read, for whoever begins later too. */
  private readonly unreadPairs = new Map<string, unknown>();
  private overheard: Overheard | undefined;
  private context: FlowContext | undefined;

  constructor(parts: RehearsalParts) {
    this.parts = parts;
  }

  /** Ports of endpoints that are looked at. */
  get size(): number {
    return this.watched.size;
  }

  /** A predecessor's clients are gone. */
  start(context: FlowContext, heard: (record: AccessRecord) => void): void {
    this.context = context;
    this.parts.datapath.watchPorts([]);
    this.overheard = new Overheard({
      heard,
      clockOffsetNs: () => context.clockOffsetNs(),
      parsersAt: ({ endpoint, direction }, protocol, port) =>
        this.watched.parsersAt({ endpoint, direction, protocol, port }),
      unread: (why, record) => this.tellUnread(why, record, context),
    });
  }

  /** Takes a capture event. */
  event(bytes: Uint8Array): void {
    this.overheard?.take(bytes);
  }

  /** Holds the candidate until the returned function is called. Throws ApiError 400 when a policy is invalid, or has too many ports. */
  begin(policies: readonly unknown[], tell: Rehearsal["tell"]): () => void {
    const rehearsal = { rules: policies.flatMap((policy) => this.rulesOf(policy)), tell };
    this.running.add(rehearsal);
    try {
      this.update();
    } catch (error) {
      this.end(rehearsal);
      throw new ApiError(400, (error as Error).message);
    }
    this.parts.log(`a rehearsal of ${policies.length} policies looks at ${this.size} ports of endpoints`, "info");
    tell({ watched: this.size });
    this.tellStanding(rehearsal);
    for (const connection of this.unreadPairs.values()) tell({ connection });
    return () => this.end(rehearsal);
  }

  /** Endpoints came, went or changed. Never throws: what cannot be watched is told. */
  refresh(): void {
    if (this.running.size === 0) return;
    const before = this.size;
    this.tryUpdate();
    if (this.size !== before) for (const { tell } of this.running) tell({ watched: this.size });
  }

  /** What is silent now shows in no flow until it speaks again. */
  private tellStanding({ rules, tell }: Rehearsal): void {
    const { datapath, table, now } = this.parts;
    const isMeant = (address: string) => {
      const labels = table.atAddress(address)?.labels;
      return labels !== undefined && rules.some(({ isNode, subject }) => !isNode && selects(subject, labels));
    };
    const timeNs = BigInt(Math.round(now())) * 1_000_000n;
    for (const row of datapath.connections()) {
      const { scope, source, destination, expiresIn, forwardFlags, replyFlags } = row;
      if ((scope !== "ingress" && scope !== "egress") || expiresIn < 0 || ((forwardFlags | replyFlags) & ENDED) !== 0)
        continue;
      if (!isMeant(scope === "ingress" ? destination : source)) continue;
      const flow = this.context && connectionFlow({ ...row, direction: scope }, this.context, timeNs);
      if (flow !== undefined) tell({ connection: responseOf(flow) });
    }
  }

  /** What nobody could read is neither allowed nor denied, whatever else passes between the two: each pair is told once. */
  private tellUnread(why: Unread, record: AccessRecord, context: FlowContext): void {
    const count = (this.unread[why] ?? 0) + 1;
    this.unread[why] = count;
    const { endpointId, direction, sourceAddress, destinationAddress, destinationPort } = record;
    const pair = `${endpointId} ${direction} ${sourceAddress} ${destinationAddress} ${destinationPort}`;
    if (!this.unreadPairs.has(pair) && this.unreadPairs.size < MOST_PAIRS) {
      const connection = responseOf(unreadFlow(record, context));
      this.unreadPairs.set(pair, connection);
      for (const { tell } of this.running) tell({ connection });
    }
    // whoever sends what nobody understands must not be answered one by one
    if ((count & (count - 1)) !== 0) return;
    for (const { tell } of this.running) tell({ unread: this.unread });
  }

  private end(rehearsal: Rehearsal): void {
    if (!this.running.delete(rehearsal)) return;
    this.tryUpdate();
    if (this.running.size > 0) return;
    this.unread = {};
    this.unreadPairs.clear();
    this.overheard?.clear();
    this.parts.log("the rehearsal is over: nothing is looked at any more", "info");
  }

  /** What cannot be watched is told, and what was watched stays. */
  private tryUpdate(): void {
    try {
      this.update();
    } catch (error) {
      this.parts.log(`a rehearsal: ${(error as Error).message}`);
    }
  }

  private update(): void {
    const { datapath, table, pods, inputs } = this.parts;
    const wanted = watchedPortsOf(
      [...this.running].flatMap(({ rules }) => rules),
      {
        endpoints: table.all(),
        namedPorts: ({ request }) => namedPortsOf(pods.podOf(request)),
        allNamedPorts: () =>
          inputs.endpoints.list().flatMap(({ status }) => listOf(fieldsOf(status)["named-ports"]) as NamedPort[]),
      },
      MOST_WATCHED,
    );
    const isKnown = wanted.hasSamePorts(this.watched);
    this.watched = wanted;
    if (!isKnown) datapath.watchPorts([...wanted.ports.values()] satisfies WatchedPort[]);
  }

  private rulesOf(policy: unknown): readonly Rule[] {
    const parsed = parsePolicy(policy, { clusterName: this.parts.clusterName });
    if (parsed.ok) return parsed.rules;
    throw new ApiError(400, parsed.errors.map(({ field, message }) => `${field}: ${message}`).join("; "));
  }
}

/** As the relay would send it, in JSON. */
function responseOf(flow: Flow): unknown {
  const response = create(GetFlowsResponseSchema, { responseTypes: { case: "flow", value: flow } });
  return JSON.parse(messageJson(GetFlowsResponseSchema, response));
}
