import type { ServerResponse } from "node:http";
import { groupVersion, type KubeObject } from "../../object.ts";
import { expired, type Status } from "../../status.ts";
import { HistoryGone, type Stored, type StoreEvent } from "../../storage/store.ts";
import { type Api, fromStored } from "../context.ts";
import type { ResourceKind } from "../kind.ts";
import { isTrue } from "../request-info.ts";
import { type Selection, selectionOf } from "./list.ts";
import { checkRevisionText, checkWatchOptions, tooLargeRevision } from "./list-options.ts";

const BOOKMARK_MS = 60_000;
/** A client that lags behind by this much is cut off; it lists again. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** How one watch writes objects: plain, as Tables, as metadata only. */
export interface WatchWriter {
  /** The text of an object, or undefined to leave it out of the stream. */
  render(object: KubeObject, json: string | undefined): string;
  readonly contentType: string;
}

interface WatchRequest {
  readonly api: Api;
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly selection: Selection;
  readonly writer: WatchWriter;
}

/**
 * The first change that the client wants: after which revision, and whether it wants what is there now first, which must
 * not be older than the revision `asked`.
 */
function startOf(query: URLSearchParams): { asked: string; revision: number | undefined; initialEvents: boolean } {
  const asked = query.get("resourceVersion") ?? "";
  checkRevisionText(query);
  const initial = query.get("sendInitialEvents");
  const unset = asked === "" || asked === "0";
  const initialEvents = initial === null ? unset : isTrue(initial);
  return { asked, revision: unset || initialEvents ? undefined : Number(asked), initialEvents };
}

/** The event as this watch sees it: an object that enters or leaves the selection is added or deleted. */
function seenType(request: WatchRequest, event: StoreEvent): string | undefined {
  const { kind, namespace, selection } = request;
  if (namespace !== "" && event.stored.object.metadata.namespace !== namespace) return undefined;
  if (!selection.selective) return event.type;
  const matches = (stored: Stored | undefined) =>
    stored !== undefined && selection.matches(fromStored(kind, stored.object));
  const before = matches(event.old);
  const after = event.type !== "DELETED" && matches(event.stored);
  if (before && after) return "MODIFIED";
  if (after) return "ADDED";
  return before ? "DELETED" : undefined;
}

/** What leaves a selection is shown as it was in it, at the revision of the change. */
function asItLeft({ old, stored }: StoreEvent): KubeObject {
  const object = old?.object ?? stored.object;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(stored.revision) } };
}

function line(type: string, object: string): string {
  return `{"type":"${type}","object":${object}}\n`;
}

/**
 * Streams changes until the client leaves, the time asked for ends, or the server stops. A revision that the history
 * no longer reaches is answered by one ERROR event with a 410 Status. `isPatient`: others are told first.
 */
export function watchObjects(
  api: Api,
  kind: ResourceKind,
  namespace: string,
  name: string,
  query: URLSearchParams,
  writer: WatchWriter,
  response: ServerResponse,
  isPatient: boolean,
): void {
  checkWatchOptions(query);
  const selection = selectionOf(kind, query, name);
  const start = startOf(query);
  const request: WatchRequest = { api, kind, namespace, selection, writer };
  response.writeHead(200, { "Content-Type": writer.contentType, "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  const lines = new LineWriter(response, isPatient ? setImmediate : process.nextTick);
  const send = (text: string): void => lines.send(text);
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const current = api.store.revision;
  if (start.initialEvents && Number(start.asked) > current) {
    lines.fail(tooLargeRevision(start.asked, current).toStatus());
    return;
  }
  if (start.initialEvents) sendInitial(request, send);
  if (bookmarks && isTrue(query.get("sendInitialEvents"))) send(bookmark(request, current, true));
  const stop = subscribe(request, start.revision ?? current, lines);
  const timers: NodeJS.Timeout[] = [];
  if (bookmarks) timers.push(setInterval(() => send(bookmark(request, api.store.revision, false)), BOOKMARK_MS));
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  if (seconds > 0) timers.push(setTimeout(() => lines.end(), seconds * 1000));
  for (const timer of timers) timer.unref();
  response.on("close", () => {
    stop();
    for (const timer of timers) clearTimeout(timer);
  });
}

/** The stream's writer. Lines of one tick leave in one piece, which saves a TLS record and a packet each. */
class LineWriter {
  readonly #response: ServerResponse;
  readonly #later: (flush: () => void) => unknown;
  #lines = "";

  constructor(response: ServerResponse, later: (flush: () => void) => unknown) {
    this.#response = response;
    this.#later = later;
  }

  send(line: string): void {
    if (this.#lines === "") this.#later(() => this.#flush());
    this.#lines += line;
  }

  #flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (lines === "" || this.#response.writableEnded || this.#response.destroyed) return;
    if (this.#response.writableLength > MAX_BACKLOG_BYTES) this.#response.destroy();
    else this.#response.write(lines);
  }

  /** Ends the stream with an error event. */
  fail(status: Status): void {
    this.send(line("ERROR", JSON.stringify(status)));
    this.end();
  }

  /** Ends the stream after what was sent. */
  end(): void {
    this.#flush();
    this.#response.end();
  }
}

function sendInitial({ api, kind, namespace, selection, writer }: WatchRequest, send: (text: string) => void): void {
  for (const stored of api.store.list(kind.storage, namespace === "" ? undefined : namespace)) {
    const object = fromStored(kind, stored.object);
    if (selection.matches(object)) send(line("ADDED", writer.render(object, kind.convert ? undefined : stored.json)));
  }
}

function subscribe(request: WatchRequest, revision: number, lines: LineWriter): () => void {
  const { api, kind, writer } = request;
  try {
    return api.store.watch(kind.storage, revision, (event) => {
      const type = seenType(request, event);
      if (!type) return;
      const hasLeft = type === "DELETED" && event.type !== "DELETED";
      const object = hasLeft ? asItLeft(event) : event.stored.object;
      const json = kind.convert || hasLeft ? undefined : event.stored.json;
      lines.send(line(type, writer.render(fromStored(kind, object), json)));
    });
  } catch (error) {
    if (!(error instanceof HistoryGone)) throw error;
    lines.fail(expired(error.message).toStatus());
    return () => {};
  }
}

function bookmark({ kind }: WatchRequest, revision: number, endsInitial: boolean): string {
  const annotations = endsInitial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const object = {
    kind: kind.kind,
    apiVersion: groupVersion(kind.group, kind.version),
    metadata: { resourceVersion: String(revision), creationTimestamp: null, ...annotations },
  };
  return line("BOOKMARK", JSON.stringify(object));
}
