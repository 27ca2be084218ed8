import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../object.ts";
import { badRequest, expired } from "../../status.ts";
import type { Stored } from "../../storage/store.ts";
import { type Api, fromStored } from "../context.ts";
import { parseFieldSelector } from "../field-selector.ts";
import type { ResourceKind } from "../kind.ts";
import { parseLabelSelector } from "../label-selector.ts";
import { checkListOptions, checkRevisionText, tooLargeRevision } from "./list-options.ts";

const PAGE_LIFETIME_MS = 5 * 60_000;
const MAX_SNAPSHOTS = 64;

/** What a list or watch selects. */
export interface Selection {
  readonly matches: (object: KubeObject) => boolean;
  /** False when everything matches. */
  readonly selective: boolean;
}

/** The selection of a request: labelSelector and fieldSelector, and the one object that a path names. Throws 400. */
export function selectionOf(kind: ResourceKind, query: URLSearchParams, name = ""): Selection {
  const byLabel = parseLabelSelector(query.get("labelSelector"));
  const byField = parseFieldSelector(query.get("fieldSelector"), kind);
  const selective = Boolean(query.get("labelSelector") || query.get("fieldSelector") || name);
  return {
    selective,
    matches: (object) =>
      (name === "" || object.metadata.name === name) && byLabel(object.metadata.labels) && byField(object),
  };
}

export interface Page {
  readonly items: readonly Stored[];
  readonly revision: number;
  readonly continueToken?: string;
  readonly remaining?: number;
}

interface Snapshot {
  readonly items: readonly Stored[];
  readonly revision: number;
  readonly at: number;
}

/** What is left of lists that clients read page by page: later pages show the state of the first. */
export class Pages {
  readonly #snapshots = new Map<string, Snapshot>();

  /** The first page, or all when no limit is set. */
  first(items: readonly Stored[], revision: number, limit: number, now: number): Page {
    if (limit === 0 || items.length <= limit) return { items, revision };
    const id = randomUUID();
    this.#snapshots.set(id, { items, revision, at: now });
    if (this.#snapshots.size > MAX_SNAPSHOTS) this.#snapshots.delete(this.#snapshots.keys().next().value!);
    return this.#page(id, this.#snapshots.get(id)!, 0, limit);
  }

  /** The page of a continue token. Throws 400, and 410 when the list it belongs to is forgotten. */
  next(token: string, limit: number, now: number): Page {
    const [, id = "", start = ""] = /^([0-9a-f-]{36})\.(\d{1,9})$/.exec(token) ?? [];
    if (id === "") throw badRequest("continue key is not valid");
    const snapshot = this.#snapshots.get(id);
    if (!snapshot || now - snapshot.at > PAGE_LIFETIME_MS) {
      this.#snapshots.delete(id);
      throw expired(
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
      );
    }
    return this.#page(id, snapshot, Number(start), limit || snapshot.items.length);
  }

  #page(id: string, snapshot: Snapshot, start: number, limit: number): Page {
    const end = start + limit;
    const items = snapshot.items.slice(start, end);
    if (end >= snapshot.items.length) {
      this.#snapshots.delete(id);
      return { items, revision: snapshot.revision };
    }
    const remaining = snapshot.items.length - end;
    return { items, revision: snapshot.revision, continueToken: `${id}.${end}`, remaining };
  }
}

/** Throws 400, 410 or 504 for a revision that cannot be served. */
export function checkRevision(api: Api, query: URLSearchParams): void {
  const asked = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (asked === "") return;
  checkRevisionText(query);
  if (Number(asked) > api.store.revision) throw tooLargeRevision(asked, api.store.revision);
  // As Kubernetes reads it: pages are asked of the very revision that is named.
  const isExact = match === "Exact" || (match === "" && asked !== "0" && Number(query.get("limit") ?? 0) > 0);
  if (isExact && Number(asked) !== api.store.revision) {
    throw expired(`The resourceVersion for the provided list is too old.`);
  }
}

/** The objects that a request selects, page by page. Throws 400, 410. */
export function listObjects(
  api: Api,
  pages: Pages,
  kind: ResourceKind,
  namespace: string,
  query: URLSearchParams,
): Page {
  const limit = Math.max(0, Number(query.get("limit") ?? 0));
  checkListOptions(query);
  const token = query.get("continue");
  if (token) return pages.next(token, limit, api.now());
  checkRevision(api, query);
  const selection = selectionOf(kind, query);
  const all = api.store.list(kind.storage, namespace === "" ? undefined : namespace);
  const items = selection.selective ? all.filter((stored) => selection.matches(fromStored(kind, stored.object))) : all;
  return pages.first(items, api.store.revision, limit, api.now());
}
