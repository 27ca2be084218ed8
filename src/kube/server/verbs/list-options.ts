/** What lists and watches may ask for together, as Kubernetes judges it. */
import { invalid } from "../../status.ts";

const MATCHES = ["Exact", "NotOlderThan"];

function refuse(field: string, message: string, reason = "FieldValueForbidden"): never {
  throw invalid({ group: "meta.k8s.io", resource: "listoptions", kind: "ListOptions" }, "", [
    { field, reason, message: reason === "FieldValueForbidden" ? `Forbidden: ${message}` : message },
  ]);
}

/** Throws 422 for options that a watch cannot honour together. */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const isStreamingList = query.has("sendInitialEvents");
  if (isStreamingList && match !== "NotOlderThan") {
    refuse("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (!isStreamingList && match !== "") {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
}

/** Throws 422 for options that a list cannot honour together. */
export function checkListOptions(query: URLSearchParams): void {
  if (query.has("sendInitialEvents")) refuse("sendInitialEvents", "sendInitialEvents is forbidden for list");
  const match = query.get("resourceVersionMatch") ?? "";
  const revision = query.get("resourceVersion") ?? "";
  if (match === "") return;
  if (query.get("continue")) {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
  }
  if (revision === "") {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (!MATCHES.includes(match)) {
    const known = MATCHES.map((name) => JSON.stringify(name)).join(", ");
    const message = `Unsupported value: ${JSON.stringify(match)}: supported values: ${known}`;
    refuse("resourceVersionMatch", message, "FieldValueNotSupported");
  }
  if (match === "Exact" && revision === "0") {
    refuse("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
}
