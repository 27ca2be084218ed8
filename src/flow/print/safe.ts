import type { Flow } from "../../../proto/gen/flow_pb.js";
import { escapeControls } from "./color.ts";

const ESCAPE = "\u001b";

/** Foreign text is escaped before the palette colours it, so only our own sequences reach the terminal. */
export function safeFlow(flow: Flow): Flow {
  const text = `${flow.Summary}${flow.source?.podName}${flow.destination?.podName}${flow.sourceNames}${flow.destinationNames}`;
  if (!text.includes(ESCAPE) && !text.includes("\r")) return flow;
  const clean = { ...flow, Summary: escapeControls(flow.Summary) };
  clean.sourceNames = flow.sourceNames.map(escapeControls);
  clean.destinationNames = flow.destinationNames.map(escapeControls);
  if (flow.source) clean.source = { ...flow.source, podName: escapeControls(flow.source.podName) };
  if (flow.destination) clean.destination = { ...flow.destination, podName: escapeControls(flow.destination.podName) };
  return clean;
}
