import { readFileSync } from "node:fs";
import type { PeerMemory, PeerNode } from "../hubble/index.ts";
import { replaceFile } from "../lab/replaced-file.ts";

function isNode(value: unknown): value is PeerNode {
  const { name, address, serverName } = Object(value) as Record<string, unknown>;
  return typeof name === "string" && typeof address === "string" && ["string", "undefined"].includes(typeof serverName);
}

/** The nodes in a file of JSON. One that is not there has none; what cannot be read or written is told. */
export function peersFile(path: string, log: (message: string) => void): PeerMemory {
  return {
    read() {
      try {
        const nodes: unknown = JSON.parse(readFileSync(path, "utf8"));
        if (!Array.isArray(nodes) || !nodes.every(isNode)) throw new Error("it is no list of nodes");
        return nodes;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          log(`the nodes in ${path} are not used: ${(error as Error).message}`);
        return [];
      }
    },
    write(nodes) {
      try {
        replaceFile(path, JSON.stringify(nodes));
      } catch (error) {
        log(`the nodes are not kept for a restart: ${(error as Error).message}`);
      }
    },
  };
}
