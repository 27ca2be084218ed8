import { pause } from "./pause.ts";
import type { Hook } from "./pod.ts";
import { type ProbeFailure, type ProbeTarget, runProbe } from "./probe.ts";

/** Runs a hook of a container's life to its end, or for so long. Never rejects: what goes wrong is the failure. */
export async function runHook(target: ProbeTarget, hook: Hook, timeoutMs: number): Promise<ProbeFailure> {
  const timeoutSeconds = timeoutMs / 1000;
  if (hook.sleep !== undefined) {
    await pause(Math.min(hook.sleep.seconds * 1000, timeoutMs), new AbortController().signal);
    return undefined;
  }
  if (hook.exec !== undefined) return runProbe(target, { exec: hook.exec, timeoutSeconds });
  if (hook.httpGet !== undefined) return runProbe(target, { httpGet: hook.httpGet, timeoutSeconds });
  return "the hook names no handler: use exec, httpGet or sleep";
}
