import { fromJsonString } from "@bufbuild/protobuf";
import { type FlowFilter, FlowFilterSchema } from "../../../proto/gen/flow_pb.js";
import { compileFilters } from "../../flow/filters/index.ts";
import { splitObjects } from "../../flow/filters/json-objects.ts";
import { compileExactMask } from "../mask.ts";

type Data = Readonly<Record<string, string>>;

/** What is written to files, and which; keys and meanings are Cilium's `hubble-export-*`. */
export interface ExportSettings {
  /** Where, below the agent's own directory; `stdout` = to the agent's log; empty = nothing is. */
  readonly path: string;
  readonly maxBytes: number;
  /** Files that are kept beside the one that is written; 0 = all of them. */
  readonly maxBackups: number;
  readonly compress: boolean;
  readonly allowlist: readonly FlowFilter[];
  readonly denylist: readonly FlowFilter[];
  /** Fields of flows that are written; empty = all. */
  readonly fieldMask: readonly string[];
  /** Flows that are alike in these fields are written as one; empty = each by itself. */
  readonly aggregate: readonly string[];
  readonly aggregationMs: number;
}

/** The agent writes as root: elsewhere it could overwrite what it, or the machine, needs. */
export const EXPORT_DIRECTORY = "/var/run/cilium/hubble/";
const DEFAULT_MAX_MB = "10";
const DEFAULT_BACKUPS = "5";
const DURATION = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;

class SettingError extends Error {
  constructor(key: string, text: string, mend: string) {
    super(`${key}: ${JSON.stringify(text)}: ${mend}`);
  }
}

function pathOf(data: Data): string {
  const key = "hubble-export-file-path";
  const path = data[key]?.trim() ?? "";
  if (path === "" || path === "stdout") return path;
  const name = path.startsWith(EXPORT_DIRECTORY) ? path.slice(EXPORT_DIRECTORY.length) : "";
  if (/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(name)) return name;
  throw new SettingError(key, path, `write a file below ${EXPORT_DIRECTORY}, or stdout`);
}

function count(data: Data, key: string, otherwise: string): number {
  const text = data[key]?.trim() || otherwise;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new SettingError(key, text, "write a whole number");
}

function flag(data: Data, key: string): boolean {
  const text = data[key]?.trim() || "false";
  if (text === "true" || text === "false") return text === "true";
  throw new SettingError(key, text, "write true or false");
}

/** JSON objects one after the other, with or without commas between them. */
function filters(data: Data, key: string): FlowFilter[] {
  const text = data[key] ?? "";
  const { objects, rest } = splitObjects(text);
  try {
    if (rest !== "") throw new Error(`${JSON.stringify(rest)} is no whole object`);
    const read = objects.map((json) => fromJsonString(FlowFilterSchema, json.replace(/^,/, "")));
    compileFilters(read, []);
    return read;
  } catch (error) {
    throw new SettingError(key, text, `write FlowFilters as JSON: ${(error as Error).message}`);
  }
}

function fields(data: Data, key: string): readonly string[] {
  const text = data[key] ?? "";
  const paths = text.split(/[\s,]+/).filter((path) => path !== "");
  try {
    compileExactMask(paths);
  } catch (error) {
    throw new SettingError(key, text, (error as Error).message);
  }
  return paths;
}

function duration(data: Data, key: string): number {
  const text = data[key]?.trim() || "0s";
  const parts = DURATION.exec(text)?.slice(1);
  if (parts === undefined && text !== "0") throw new SettingError(key, text, "write it like 30s or 1m30s; 0s for none");
  const [hours = 0, minutes = 0, seconds = 0] = (parts ?? []).map((part) => Number(part ?? 0));
  return (hours * 3600 + minutes * 60 + seconds) * 1000;
}

/** Reads the `hubble-export-*` keys. Throws with the key and what to write instead. */
export function parseExportSettings(data: Data): ExportSettings {
  const aggregate = fields(data, "hubble-export-fieldaggregate");
  const aggregationMs = duration(data, "hubble-export-aggregation-interval");
  return {
    path: pathOf(data),
    maxBytes: count(data, "hubble-export-file-max-size-mb", DEFAULT_MAX_MB) * 2 ** 20 || 100 * 2 ** 20,
    maxBackups: count(data, "hubble-export-file-max-backups", DEFAULT_BACKUPS),
    compress: flag(data, "hubble-export-file-compress"),
    allowlist: filters(data, "hubble-export-allowlist"),
    denylist: filters(data, "hubble-export-denylist"),
    fieldMask: fields(data, "hubble-export-fieldmask"),
    aggregate: aggregationMs === 0 ? [] : aggregate,
    aggregationMs,
  };
}
