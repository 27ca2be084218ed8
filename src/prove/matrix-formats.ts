import type { Connection, Group, Matrix } from "./matrix.ts";
import { isEverything, type PortReach, portText } from "./reach.ts";

export interface FormatOptions {
  /** Whether what requests must be is shown. */
  readonly l7: boolean;
}

/** Columns of a table that fit a terminal; a larger matrix is the list alone. */
const MOST_COLUMNS = 30;

/** A table of marks, and below it a line for each connection; where a table would be too wide, those who may do the same to the same share one. */
export function matrixText(matrix: Matrix, options: FormatOptions): string {
  const { groups, connections } = matrix;
  if (groups.length > MOST_COLUMNS) return linesText(matrix, sharedLines(matrix, options));
  const table = [...tableLines(groups, connections), ""];
  return table.map((line) => `${line}\n`).join("") + connectionLines(matrix, options);
}

/** `all of shop, edge/deployment/gateway -> shop/deployment/cart: TCP 80` */
function sharedLines({ groups, connections }: Matrix, options: FormatOptions): string[] {
  const numbers = new Map(groups.map((group, index) => [group, index]));
  const workloads = groups.filter((group) => group.workloads.length > 0 && group.namespace !== "");
  const members = Map.groupBy(workloads, ({ namespace }) => namespace);
  const namesOf = (some: readonly Group[]) => {
    const whole = [...Map.groupBy(some, ({ namespace }) => namespace)].filter(
      ([namespace, present]) => present.length > 1 && present.length === members.get(namespace)?.length,
    );
    const named = new Set(whole.map(([namespace]) => namespace));
    const others = some.filter(({ namespace }) => !named.has(namespace));
    return [...[...named].map((namespace) => `all of ${namespace}`), ...others.map(({ title }) => title)].join(", ");
  };
  const bySource = Map.groupBy(connections, (each) => `${numbers.get(each.from)} ${reachText(each, options)}`);
  const rows = [...bySource.values()].map((some) => ({ first: some[0]!, targets: some.map(({ to }) => to) }));
  const alike = Map.groupBy(
    rows,
    ({ first, targets }) => `${targets.map((each) => numbers.get(each)).join()} ${reachText(first, options)}`,
  );
  return [...alike.values()].map((some) => {
    const [{ first, targets }] = some as [(typeof rows)[0]];
    const sources = some.map((row) => row.first.from);
    return `${namesOf(sources)} -> ${namesOf(targets)}: ${reachText(first, options)}`;
  });
}

/** `shop/deployment/cart -> shop/deployment/cart-store: TCP 6379`, and who stands for several. */
export function connectionLines(matrix: Matrix, options: FormatOptions): string {
  const { connections } = matrix;
  return linesText(
    matrix,
    connections.map((each) => `${each.from.title} -> ${each.to.title}: ${reachText(each, options)}`),
  );
}

function linesText({ groups, connections }: Matrix, lines: readonly string[]): string {
  const used = new Set(connections.flatMap(({ from, to }) => [from, to]));
  const alike = groups.filter((group) => used.has(group) && group.workloads.length > 1);
  const several = alike.map(
    ({ title, workloads }) => `${title} stands for ${workloads.length}: ${workloads.join(", ")}`,
  );
  const none = connections.length === 0 ? ["nobody can reach anybody"] : [];
  return [...lines, ...several, ...none].map((line) => `${line}\n`).join("");
}

const LEGEND =
  "A all ports   P some ports   7 requests are judged by a proxy   ? hangs on something unknown   . nothing";

function tableLines(groups: readonly Group[], connections: readonly Connection[]): string[] {
  const targets = groups.filter(({ only }) => only !== "source");
  const marks = new Map(
    connections.map((each) => [`${groups.indexOf(each.from)} ${groups.indexOf(each.to)}`, markOf(each)]),
  );
  const width = Math.max(...groups.map(({ title }) => title.length), 4);
  const cell = (text: string) => text.padStart(3);
  const numbers = targets.map((_, index) => cell(String(index + 1))).join("");
  const rows = groups.map((from, row) => {
    if (from.only === "destination") return `${String(targets.indexOf(from) + 1).padStart(3)} ${from.title}`;
    const number = targets.indexOf(from) === -1 ? "" : String(targets.indexOf(from) + 1);
    const cells = targets.map((to) => cell(marks.get(`${row} ${groups.indexOf(to)}`) ?? (from === to ? "-" : ".")));
    return `${number.padStart(3)} ${from.title.padEnd(width)} ${cells.join("")}`;
  });
  return [`from \\ to ${"".padEnd(width - 5)}${numbers}`, ...rows, LEGEND];
}

function markOf({ reach, missing }: Connection): string {
  if (missing !== undefined || reach === "conflict") return "?";
  if (isEverything(reach)) return "A";
  return reach.some(({ requests }) => requests !== undefined) ? "7" : "P";
}

/** `TCP 80, TCP 443 (GET /a)`. */
export function reachText({ reach, missing }: Connection, { l7 }: FormatOptions): string {
  if (missing !== undefined || reach === "conflict") return `unknown: missing is ${missing}`;
  return reach.map((part) => partText(part, l7)).join(", ");
}

function partText(part: PortReach, l7: boolean): string {
  if (part.requests === undefined) return portText(part);
  return l7 ? `${portText(part)} (${part.requests.join("; ")})` : `${portText(part)} (by request)`;
}

/** A line for each pair and range of ports. Every value stands in quotes. */
export function matrixCsv({ connections }: Matrix, { l7 }: FormatOptions): string {
  const rows = connections.flatMap(({ from, to, reach, missing }): (string | number)[][] => {
    if (missing !== undefined || reach === "conflict")
      return [[from.title, to.title, "unknown", "", "", "", missing ?? ""]];
    return reach.map(({ protocol, except = [], first, last, requests }) => [
      from.title,
      to.title,
      requests === undefined ? "allowed" : "by request",
      [protocol, ...except].join(" but not "),
      first,
      last,
      l7 ? (requests ?? []).join("; ") : "",
    ]);
  });
  const header = ["from", "to", "verdict", "protocol", "first port", "last port", "requests or missing fact"];
  return [header, ...rows].map((row) => `${row.map(csvValue).join(",")}\r\n`).join("");
}

/** A value that begins like a formula would be one to a spreadsheet. */
function csvValue(value: string | number): string {
  const text = String(value);
  return `"${/^[=+\-@]/.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;
}

/** The matrix for programs; pairs that are not there have nothing. */
export function matrixJson({ groups, connections }: Matrix): string {
  const value = {
    groups: groups.map(({ name: _name, ...group }) => group),
    connections: connections.map(({ from, to, reach, missing }) => ({
      from: from.title,
      to: to.title,
      ...(missing === undefined && reach !== "conflict"
        ? { verdict: "allowed", ports: reach }
        : { verdict: "unknown", missing }),
    })),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
