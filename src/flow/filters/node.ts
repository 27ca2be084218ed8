import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { CLUSTER_NAME } from "../../model/addresses.ts";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";
import { compileRegex } from "./regex.ts";

function partTest(pattern: string): (text: string) => boolean {
  if (pattern === "" || pattern === "*") return () => true;
  if (!/^[-a-zA-Z0-9_.*]+$/.test(pattern))
    throw new FilterError(`node_name: invalid pattern: ${JSON.stringify(pattern)}`);
  return compileRegex("node_name", `^${pattern.replaceAll(".", "\\.").replaceAll("*", "[-.0-9a-zA-Z_]*")}$`);
}

/** `cluster/node`, each part with `*`; a pattern without slash names the node of any cluster. */
function nodeNameTest(pattern: string): (nodeName: string) => boolean {
  const parts = pattern.split("/");
  if (pattern === "" || parts.length > 2)
    throw new FilterError(`node_name: invalid pattern: ${JSON.stringify(pattern)}`);
  const cluster = partTest(parts.length === 2 ? (parts[0] ?? "") : "");
  const node = partTest(parts.at(-1) ?? "");
  return (nodeName) => {
    const [first = "", second] = nodeName.split("/");
    return second === undefined ? cluster(CLUSTER_NAME) && node(first) : cluster(first) && node(second);
  };
}

/** node_name, interface (index 0 and an empty name are any). */
export function nodeTests(filter: FlowFilter): FlowTest[] {
  return [
    ...anyOf(filter.nodeName.map(nodeNameTest), (test, flow) => test(flow.nodeName)),
    ...anyOf(filter.interface, (wanted, flow) => {
      const made = flow.interface;
      if (!made) return false;
      return (wanted.index === 0 || wanted.index === made.index) && (wanted.name === "" || wanted.name === made.name);
    }),
  ];
}
