import { type Flow, L7FlowType } from "../../../proto/gen/flow_pb.js";
import type { Exemplar } from "../../metrics/index.ts";
import type { Handler, HandlerContext } from "./handler.ts";
import { reporterName } from "./names.ts";

function httpOf({ l7 }: Flow) {
  return l7?.record.case === "http" ? { l7, http: l7.record.value } : undefined;
}

const secondsOf = (latencyNs: bigint) => Number(latencyNs) / 1e9;

/** Points at the trace of the request that was counted, where that is wanted and known. */
function exemplars({ options, now }: HandlerContext): (flow: Flow, value: number) => Exemplar | undefined {
  if (options.get("exemplars") !== "true") return () => undefined;
  return ({ traceContext }, value) => {
    const traceID = traceContext?.parent?.traceId ?? "";
    return traceID === "" ? undefined : { labels: { traceID }, value, timestamp: now() };
  };
}

function durations({ registry, labels }: HandlerContext) {
  return registry.histogram({
    name: "hubble_http_request_duration_seconds",
    help: "Quantiles of HTTP request duration in seconds",
    labels: [...labels.names, "method", "reporter"],
  });
}

function requests({ registry, labels }: HandlerContext, own: readonly string[]) {
  return registry.counter({
    name: "hubble_http_requests_total",
    help: "Count of HTTP requests",
    labels: [...labels.names, ...own],
  });
}

/** `http`: requests and responses each by themselves. */
export function httpHandler(context: HandlerContext): Handler {
  const { registry, labels } = context;
  const asked = requests(context, ["method", "protocol", "reporter"]);
  const answered = registry.counter({
    name: "hubble_http_responses_total",
    help: "Count of HTTP responses",
    labels: [...labels.names, "method", "protocol", "status", "reporter"],
  });
  const duration = durations(context);
  const exemplar = exemplars(context);
  return {
    families: [asked, answered, duration],
    process(flow) {
      const found = httpOf(flow);
      if (found === undefined) return;
      const { code, method, protocol } = found.http;
      const { type, latencyNs } = found.l7;
      if (type !== L7FlowType.REQUEST && type !== L7FlowType.RESPONSE) return;
      const ends = labels.values(flow);
      const reporter = reporterName(flow);
      if (type === L7FlowType.REQUEST) {
        asked.at([...ends, method, protocol, reporter]).inc(1, exemplar(flow, 1));
        return;
      }
      const seconds = secondsOf(latencyNs);
      answered.at([...ends, method, protocol, String(code), reporter]).inc(1, exemplar(flow, 1));
      duration.at([...ends, method, reporter]).observe(seconds, exemplar(flow, seconds));
    },
  };
}

/** `httpV2`: requests by their answer, with source and destination as the request had them. */
export function httpV2Handler(context: HandlerContext): Handler {
  const { labels } = context;
  const answered = requests(context, ["method", "protocol", "status", "reporter"]);
  const duration = durations(context);
  const exemplar = exemplars(context);
  return {
    families: [answered, duration],
    process(flow) {
      const found = httpOf(flow);
      if (found === undefined || found.l7.type !== L7FlowType.RESPONSE) return;
      const { code, method, protocol } = found.http;
      const ends = labels.values(flow, true);
      const reporter = reporterName(flow);
      const seconds = secondsOf(found.l7.latencyNs);
      answered.at([...ends, method, protocol, String(code), reporter]).inc(1, exemplar(flow, 1));
      duration.at([...ends, method, reporter]).observe(seconds, exemplar(flow, seconds));
    },
  };
}
