import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LabNode } from "../model/addresses.ts";
import { commandFor, type LabPaths, netnsPath } from "./paths.ts";
import { replaceFile } from "./replaced-file.ts";

/** Quotes a word for sh. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The small programs of a lab, by name. Each knows its lab: it needs no variable but PATH, to find kubectl. */
export function programs(paths: LabPaths, relayPort: number, nodes: readonly LabNode[]): Map<string, string> {
  const kubectl = `kubectl --kubeconfig ${quote(paths.kubeconfig)}`;
  const hubble = [process.execPath, join(paths.root, "dist/hubble.mjs")].map(quote).join(" ");
  const all = new Map([
    ["kc", `exec ${kubectl} "$@"`],
    ["world", `exec nsenter --net=${netnsPath(paths.fabricNetns)} "$@"`],
    ["hubble", `HUBBLE_SERVER=\${HUBBLE_SERVER:-127.0.0.1:${relayPort}} exec ${hubble} "$@"`],
  ]);
  for (const node of nodes) {
    const select = `get pod -n kube-system -l k8s-app=cilium --field-selector spec.nodeName=${node.name} -o name`;
    all.set(
      `c${node.place}`,
      [
        `pod=$(${kubectl} ${select} | head -n 1)`,
        `[ -n "$pod" ] || { echo "c${node.place}: no cilium pod on ${node.name}: see ${commandFor(paths.lab)} status" >&2; exit 1; }`,
        `exec ${kubectl} exec -n kube-system "$pod" -c cilium-agent -- cilium "$@"`,
      ].join("\n"),
    );
  }
  return all;
}

/** Writes the small programs into the lab's own bin directory, which holds no others. */
export function writePrograms(paths: LabPaths, relayPort: number, nodes: readonly LabNode[]): void {
  mkdirSync(paths.bin, { recursive: true });
  const all = programs(paths, relayPort, nodes);
  for (const [name, body] of all) {
    const path = join(paths.bin, name);
    replaceFile(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }
  for (const name of readdirSync(paths.bin)) if (!all.has(name)) rmSync(join(paths.bin, name));
}

/** Shell lines for `eval`. */
export function envLines(paths: LabPaths): string {
  return `export KUBECONFIG=${quote(paths.kubeconfig)}\nexport PATH=${quote(paths.bin)}:"$PATH"\n`;
}
