import type { SessionLimits } from "../wire/http2-session-options.ts";

/** What one HTTP/2 connection may ask of the proxy. */
export interface Http2Limits extends SessionLimits {
  /** Interim answers (1xx) to one request. */
  readonly interimAnswers: number;
  /** From the first byte to the end of the preface and the client's SETTINGS. */
  readonly prefaceMs: number;
  /** A stream in which nothing moves although bytes wait for a reader. */
  readonly stallMs: number;
  /** What streams may take to end once their redirect is gone. */
  readonly drainMs: number;
}

export const HTTP2_LIMITS: Http2Limits = {
  concurrentStreams: 100,
  streamWindow: 65_535,
  headerFields: 200,
  headerBytes: 64 * 1024,
  resetBurst: 200,
  resetsPerSecond: 50,
  idleFrameBurst: 2000,
  idleFramesPerSecond: 1000,
  interimAnswers: 16,
  prefaceMs: 10_000,
  stallMs: 60_000,
  drainMs: 5_000,
};
