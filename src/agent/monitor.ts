import type { ServerResponse } from "node:http";
import type { L7Notification } from "../model/access-record.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { MonitorFrame } from "./api.ts";

/** Bytes that may wait for one client before its frames are dropped and counted. */
const CLIENT_BUFFER = 4 * 1024 * 1024;

const LENGTH_BYTES = 4;

interface Client {
  readonly response: ServerResponse;
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

/**
 * Hands datapath events, L7 records and agent events to every client of `/v1/monitor`. A slow client loses frames, is
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
    if (this.isWatched) this.send(frameOf(MonitorFrame.Event, bytes));
  }

  l7(notification: () => L7Notification): void {
    if (this.isWatched) this.send(jsonFrame(MonitorFrame.L7, notification()));
  }

  /** Events that the kernel could not hand to anybody. */
  lost(count: number): void {
    if (this.isWatched && count > 0) this.send(jsonFrame(MonitorFrame.Lost, { lost: count }));
  }

  agentEvent(notification: AgentNotification): void {
    this.follower(notification);
    if (this.isWatched) this.send(jsonFrame(MonitorFrame.Agent, notification));
  }

  /** Hands every agent event to one more, watched or not. */
  followAgent(follower: (notification: AgentNotification) => void): void {
    this.follower = follower;
  }

  /** Adds a client until its connection ends. */
  attach(response: ServerResponse): void {
    const client: Client = { response, lost: 0 };
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.flushHeaders();
    this.clients.add(client);
    if (this.clients.size === 1) this.watched(true);
    const detach = () => {
      if (this.clients.delete(client) && this.clients.size === 0) this.watched(false);
    };
    response.on("close", detach);
    response.on("error", detach);
    response.on("drain", () => this.tellLoss(client));
  }

  /** Ends every stream. */
  close(): void {
    for (const client of this.clients) client.response.end();
    this.clients.clear();
  }

  private send(frame: Buffer): void {
    for (const client of this.clients) {
      if (client.response.writableLength + frame.length > this.bufferBytes) {
        client.lost++;
        continue;
      }
      this.tellLoss(client);
      client.response.write(frame);
    }
  }

  private tellLoss(client: Client): void {
    if (client.lost === 0) return;
    client.response.write(jsonFrame(MonitorFrame.Lost, { lost: client.lost }));
    client.lost = 0;
  }
}
