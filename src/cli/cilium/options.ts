import type { EndpointOptions } from "../../agent/api.ts";
import { UsageError } from "../cobra/flags.ts";

const OPTION = "PolicyAuditMode";
/** What Cilium's command takes for on and off. */
const ON = ["enable", "enabled", "true", "1", "yes"];
const OFF = ["disable", "disabled", "false", "0", "no"];

/** Reads `PolicyAuditMode=Enabled`. Throws UsageError for other options, which cannot be changed here. */
export function parseOption(text: string): EndpointOptions {
  const [name = "", value = ""] = text.split("=");
  if (name.toLowerCase() !== OPTION.toLowerCase())
    throw new UsageError(`Cannot parse option ${text}: the only option that can be changed is ${OPTION}`);
  const wanted = value.toLowerCase();
  if (!ON.includes(wanted) && !OFF.includes(wanted))
    throw new UsageError(`Cannot parse option ${text}: write ${OPTION}=Enabled or ${OPTION}=Disabled`);
  return { PolicyAuditMode: ON.includes(wanted) };
}

/** The options as `cilium endpoint config` and `cilium config` show them. */
export function optionsText({ PolicyAuditMode }: EndpointOptions): string {
  return `${OPTION.padEnd(34)}: ${PolicyAuditMode ? "Enabled" : "Disabled"}\n`;
}
