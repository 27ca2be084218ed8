import { ErrorCode, FRAME_SIZE, type Frame, INITIAL_WINDOW, MAX_WINDOW, Setting, word } from "./http2-frame.ts";
import type { SessionLimits } from "./http2-session-options.ts";

/** What this end wants of what it is sent. */
export function ownSettings(role: "server" | "client", limits: SessionLimits): readonly (readonly [number, number])[] {
  return [
    role === "client" ? [Setting.EnablePush, 0] : [Setting.MaxConcurrentStreams, limits.concurrentStreams],
    [Setting.InitialWindowSize, limits.streamWindow],
    [Setting.MaxHeaderListSize, limits.headerBytes],
  ];
}

/** What the peer wants of what it is sent; the initial values are RFC 9113's (6.5.2). */
export class PeerSettings {
  headerTableSize = 4096;
  concurrentStreams = Number.POSITIVE_INFINITY;
  initialWindow = INITIAL_WINDOW;

  /** Takes the payload of SETTINGS, of whole entries; the code of the error where one is not allowed. */
  apply({ bytes, from, to }: Frame, ownRole: "server" | "client"): number {
    for (let at = from; at < to; at += 6) {
      const code = this.set((bytes[at]! << 8) | bytes[at + 1]!, word(bytes, at + 2), ownRole);
      if (code !== ErrorCode.None) return code;
    }
    return ErrorCode.None;
  }

  private set(identifier: number, value: number, ownRole: "server" | "client"): number {
    switch (identifier) {
      case Setting.HeaderTableSize:
        this.headerTableSize = value;
        break;
      case Setting.EnablePush:
        return value > (ownRole === "client" ? 0 : 1) ? ErrorCode.Protocol : ErrorCode.None;
      case Setting.MaxConcurrentStreams:
        this.concurrentStreams = value;
        break;
      case Setting.InitialWindowSize:
        if (value > MAX_WINDOW) return ErrorCode.FlowControl;
        this.initialWindow = value;
        break;
      case Setting.MaxFrameSize:
        // frames from here never exceed the least that may be asked for
        return value < FRAME_SIZE || value >= 2 ** 24 ? ErrorCode.Protocol : ErrorCode.None;
    }
    return ErrorCode.None;
  }
}
