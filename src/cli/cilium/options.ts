import type { AgentConfig, EndpointOptions } from "../../agent/api.ts";
import { Aggregation } from "../../datapath/port.ts";
import { UsageError } from "../cobra/flags.ts";

const AUDIT = "PolicyAuditMode";
const AGGREGATION = "MonitorAggregationLevel";
/** What Cilium's command takes for on and off. */
const ON = ["enable", "enabled", "true", "1", "yes"];
const OFF = ["disable", "disabled", "false", "0", "no"];
const WIDTH = 34;

type Levels = keyof typeof Aggregation;
/** Other words for a level. */
const LEVELS: Readonly<Record<string, Levels>> = { "": "None", disabled: "None", maximum: "Max" };

function levelOf(value: string): Levels | undefined {
  const wanted = value.toLowerCase();
  const names = Object.entries(Aggregation) as [Levels, number][];
  return (
    LEVELS[wanted] ?? names.find(([name, number]) => name.toLowerCase() === wanted || String(number) === wanted)?.[0]
  );
}

/**
 * Reads `PolicyAuditMode=Enabled`, and for the agent as a whole `MonitorAggregationLevel=Low`. Throws UsageError for other
 * options, which cannot be changed here.
 */
export function parseOption(text: string, isOfAgent: boolean): Partial<AgentConfig> {
  const [name = "", value = ""] = text.split("=");
  if (isOfAgent && name.toLowerCase() === AGGREGATION.toLowerCase()) {
    const level = levelOf(value);
    if (level !== undefined) return { MonitorAggregationLevel: level };
    throw new UsageError(
      `Cannot parse option ${text}: write ${AGGREGATION}= and one of ${Object.keys(Aggregation).join(", ")}`,
    );
  }
  if (name.toLowerCase() !== AUDIT.toLowerCase()) {
    const options = isOfAgent
      ? `options that can be changed are ${AGGREGATION} and ${AUDIT}`
      : `only option that can be changed is ${AUDIT}`;
    throw new UsageError(`Cannot parse option ${text}: the ${options}`);
  }
  const wanted = value.toLowerCase();
  if (!ON.includes(wanted) && !OFF.includes(wanted))
    throw new UsageError(`Cannot parse option ${text}: write ${AUDIT}=Enabled or ${AUDIT}=Disabled`);
  return { PolicyAuditMode: ON.includes(wanted) };
}

/** The options as `cilium endpoint config` and `cilium config` show them. */
export function optionsText(options: EndpointOptions | AgentConfig): string {
  const line = (name: string, value: string) => `${name.padEnd(WIDTH)}: ${value}\n`;
  const level = "MonitorAggregationLevel" in options ? line(AGGREGATION, options.MonitorAggregationLevel) : "";
  return `${level}${line(AUDIT, options.PolicyAuditMode ? "Enabled" : "Disabled")}`;
}
