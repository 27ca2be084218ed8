import type { Writable } from "node:stream";
import type { L7Notification } from "../model/access-record.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { MonitorFrame } from "./api.ts";
import { agentPayload, eventPayload, l7Payload, lostPayload, PAYLOAD_DEFINITIONS } from "./monitor-payload.ts";

/** Bytes that may wait for one client before its frames are dropped and counted. */
const CLIENT_BUFFER = 4 * 1024 * 1024;

const LENGTH_BYTES = 4;

/** How a stream tells what there is to be seen; undefined = it has no form for that. */
export interface MonitorForm {
  /** What the stream begins with. */
  readonly opening: Uint8Array;
  event(bytes: Uint8Array): Uint8Array | undefined;
  l7(notification: L7Notification): Uint8Array;
  agent(notification: AgentNotification): Uint8Array;
  /** `cpu`: whose they were; undefined = of several. */
  lost(count: number, cpu?: number): Uint8Array;
}

interface Client {
  readonly stream: Writable;
  readonly form: MonitorForm;
  lost: number;
}

function frameOf(kind: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + 1 + body.length);
  frame.writeUInt32LE(body.length + 1, 0);
  frame[LENGTH_BYTES] = kind;
  frame.set(body, LENGTH_BYTES + 1);
  return frame;
}

function jsonFrame(kind: number, value: unknown): Buffer {
  return frameOf(kind, Buffer.from(JSON.stringify(value)));
}

/** The frames of `/v1/monitor` (api.ts). */
export const FRAMES: MonitorForm = {
  opening: Buffer.alloc(0),
  event: (bytes) => frameOf(MonitorFrame.Event, bytes),
  l7: (notification) => jsonFrame(MonitorFrame.L7, notification),
  agent: (notification) => jsonFrame(MonitorFrame.Agent, notification),
  lost: (lost, cpu) => jsonFrame(MonitorFrame.Lost, { lost, cpu }),
};

/** The payloads of `monitor1_2.sock`. */
export const PAYLOADS: MonitorForm = {
  opening: PAYLOAD_DEFINITIONS,
  event: eventPayload,
  l7: l7Payload,
  agent: agentPayload,
  lost: lostPayload,
};

/**
 * Hands datapath events, L7 records and agent events to every client, in the form that it reads. A slow client loses some, is
 * told how many, and holds nobody up. With no client nothing is copied.
 */
export class Monitor {
  private readonly clients = new Set<Client>();
  private readonly watched: (isWatched: boolean) => void;
  private readonly bufferBytes: number;
  private follower: (notification: AgentNotification) => void = () => undefined;

  /** `watched` is told when the first client comes and when the last one has gone. */
  constructor(watched: (isWatched: boolean) => void = () => undefined, bufferBytes = CLIENT_BUFFER) {
    this.watched = watched;
    this.bufferBytes = bufferBytes;
  }

  get isWatched(): boolean {
    return this.clients.size > 0;
  }

  /** `bytes` are copied: the caller may reuse them. */
  event(bytes: Uint8Array): void {
    if (this.isWatched) this.send((form) => form.event(bytes));
  }

  l7(notification: () => L7Notification): void {
    if (!this.isWatched) return;
    const told = notification();
    this.send((form) => form.l7(told));
  }

  /** Events of a processor that the kernel could not hand to anybody. */
  lost(count: number, cpu: number): void {
    if (this.isWatched && count > 0) this.send((form) => form.lost(count, cpu));
  }

  agentEvent(notification: AgentNotification): void {
    this.follower(notification);
    if (this.isWatched) this.send((form) => form.agent(notification));
  }

  /** Hands every agent event to one more, watched or not. */
  followAgent(follower: (notification: AgentNotification) => void): void {
    this.follower = follower;
  }

  /** Adds a client until its stream ends. */
  attach(stream: Writable, form: MonitorForm): void {
    const client: Client = { stream, form, lost: 0 };
    stream.write(form.opening);
    this.clients.add(client);
    if (this.clients.size === 1) this.watched(true);
    const detach = () => {
      if (this.clients.delete(client) && this.clients.size === 0) this.watched(false);
    };
    stream.on("close", detach);
    stream.on("error", detach);
    stream.on("drain", () => this.tellLoss(client));
  }

  /** Ends every stream. */
  close(): void {
    for (const { stream } of this.clients) stream.end();
    this.clients.clear();
  }

  private send(encode: (form: MonitorForm) => Uint8Array | undefined): void {
    const encoded = new Map<MonitorForm, Uint8Array | undefined>();
    for (const client of this.clients) {
      const { stream, form } = client;
      if (!encoded.has(form)) encoded.set(form, encode(form));
      const bytes = encoded.get(form);
      if (bytes === undefined) continue;
      if (stream.writableLength + bytes.length > this.bufferBytes) {
        client.lost++;
        continue;
      }
      this.tellLoss(client);
      stream.write(bytes);
    }
  }

  private tellLoss(client: Client): void {
    if (client.lost === 0) return;
    client.stream.write(client.form.lost(client.lost));
    client.lost = 0;
  }
}
