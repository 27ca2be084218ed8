import type { Flow } from "../../../proto/gen/flow_pb.js";

/** Whether a flow passes one field of a FlowFilter. */
export type FlowTest = (flow: Flow) => boolean;

/** A FlowFilter that cannot be applied; the message names the field and what is wrong with it. */
export class FilterError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FilterError";
  }
}

/** No test for a field that is not set, else one test that any of its values may pass. */
export function anyOf<T>(values: readonly T[], match: (value: T, flow: Flow) => boolean): FlowTest[] {
  return values.length === 0 ? [] : [(flow) => values.some((value) => match(value, flow))];
}
