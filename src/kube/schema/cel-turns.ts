/** What bounds the evaluation of rules. */

/** Why an evaluation was given up, as Kubernetes says it. */
export const OVER_LIMIT = "operation cancelled: actual cost limit exceeded";
/** Turns of loops that rules may still take: of the evaluation at hand, and of all those of one object. */
export const turns = { ofCall: 0, ofObject: 0 };
