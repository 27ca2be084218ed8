import { Code, ConnectError } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";
import type { Handlers } from "./server.ts";

/** Names under which hubble's command and other gRPC clients ask. */
const SERVICES: ReadonlySet<string> = new Set(["", "hubble.server.Observer", "observer.Observer"]);
const WATCH_INTERVAL_MS = 5000;

/** The health service; `serving` is asked at each check. */
export function healthService(serving: () => Promise<boolean>): Handlers<typeof Health> {
  const check = async (service: string) => {
    if (!SERVICES.has(service)) throw new ConnectError(`unknown service ${JSON.stringify(service)}`, Code.NotFound);
    return { status: (await serving()) ? Status.SERVING : Status.NOT_SERVING };
  };
  return {
    check: ({ service }) => check(service),
    async *watch({ service }, { signal }) {
      if (!SERVICES.has(service)) yield { status: Status.SERVICE_UNKNOWN };
      let last: Status | undefined;
      while (!signal.aborted) {
        if (SERVICES.has(service)) {
          const { status } = await check(service);
          if (status !== last) yield { status };
          last = status;
        }
        await abortableSleep(WATCH_INTERVAL_MS, signal);
      }
    },
  };
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function abortableSleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
