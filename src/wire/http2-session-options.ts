import type { HeaderSection } from "./hpack-decoder.ts";
import type { FrameWriter } from "./http2-frame-writer.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** What a peer may ask of one connection. */
export interface SessionLimits {
  /** Streams that a client may have open at once; more are refused. */
  readonly concurrentStreams: number;
  /** Bytes that the peer may have on their way in one stream: times the streams, all that a connection holds of bodies. */
  readonly streamWindow: number;
  /** Fields and bytes (each field with 32 more) of one header section. */
  readonly headerFields: number;
  readonly headerBytes: number;
  /** Streams that a client may reset, or have reset by its faults: at once, and a second in the long run (CVE-2023-44487). */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Frames that do no work (SETTINGS, PRIORITY, empty ones, unknown ones, streams too many), likewise. */
  readonly idleFrameBurst: number;
  readonly idleFramesPerSecond: number;
}

export interface SessionOptions {
  readonly role: "server" | "client";
  readonly limits: SessionLimits;
  /** Milliseconds. */
  readonly now: () => number;
  readonly output: SessionOutput;
  readonly events: SessionEvents;
}

export interface SessionOutput {
  /** What the session has for the peer; whoever made it sends that on. */
  readonly frames: FrameWriter;
  /** The peer does not read: bodies wait for `pump`. */
  readonly isBlocked: boolean;
}

export interface SessionEvents {
  /** A client's stream begins. The owner sets the stream's events. */
  opened(stream: Http2Stream, head: HeaderSection, ended: boolean): void;
  /** The peer's first SETTINGS came: it does speak HTTP/2. */
  ready(): void;
  /** The server takes no new streams. */
  goaway(): void;
  /** The peer broke the rules: it was told so (GOAWAY), nothing more is read, and no stream hears of it. */
  failed(code: number, reason: string): void;
}
