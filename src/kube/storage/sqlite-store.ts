import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { KubeObject } from "../object.ts";
import { openDatabase } from "./database.ts";
import { EventHistory } from "./event-history.ts";
import { OrderedObjects } from "./ordered-objects.ts";
import { HistoryGone, type Store, type Stored, type StoreEvent } from "./store.ts";

/** Changes kept a resource, at least, for watches that start in the past: a client that missed more lists again. */
const HISTORY = 1024;

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** SQLITE_FULL */
const isFull = (error: unknown): boolean => (error as { readonly errcode?: number }).errcode === 13;

/** A store on a SQLite file (`:memory:` for none). Objects are all in memory too: the file is read at start only. */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #write: StatementSync;
  readonly #erase: StatementSync;
  readonly #tick: StatementSync;
  readonly #objects = new Map<string, OrderedObjects>();
  readonly #histories = new Map<string, EventHistory>();
  /** What happened before this process is not known: a watch from an earlier revision has to list again. */
  readonly #start: number;
  #revision: number;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#database = openDatabase(path);
    this.#write = this.#database.prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)");
    this.#erase = this.#database.prepare("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?");
    this.#tick = this.#database.prepare("UPDATE clock SET revision = ?");
    const clock = this.#database.prepare("SELECT revision FROM clock").get() as { revision: number };
    this.#revision = Math.max(clock.revision, this.#load());
    this.#start = this.#revision;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Returns the highest revision of an object. */
  #load(): number {
    const rows = this.#database.prepare("SELECT resource, revision, body FROM objects").all() as unknown as {
      resource: string;
      revision: number;
      body: string;
    }[];
    let newest = 0;
    for (const row of rows) {
      newest = Math.max(newest, row.revision);
      const object = JSON.parse(row.body) as KubeObject;
      const { namespace, name } = object.metadata;
      this.#resource(row.resource).set(keyOf(namespace ?? "", name), {
        object,
        json: row.body,
        revision: row.revision,
      });
    }
    return newest;
  }

  #resource(resource: string): OrderedObjects {
    const objects = this.#objects.get(resource) ?? new OrderedObjects();
    this.#objects.set(resource, objects);
    return objects;
  }

  #history(resource: string): EventHistory {
    const history = this.#histories.get(resource) ?? new EventHistory(HISTORY, this.#start);
    this.#histories.set(resource, history);
    return history;
  }

  get(resource: string, namespace: string, name: string): Stored | undefined {
    return this.#objects.get(resource)?.get(keyOf(namespace, name));
  }

  list(resource: string, namespace?: string): Stored[] {
    const objects = this.#objects.get(resource);
    return (namespace === undefined ? objects?.all() : objects?.of(namespace)) ?? [];
  }

  create(resource: string, object: KubeObject): Stored | undefined {
    const { namespace = "", name } = object.metadata;
    if (this.get(resource, namespace, name)) return undefined;
    return this.#put(resource, object, undefined);
  }

  replace(resource: string, object: KubeObject, expected: number): Stored | undefined {
    const { namespace = "", name } = object.metadata;
    const old = this.get(resource, namespace, name);
    if (old?.revision !== expected) return undefined;
    return this.#put(resource, object, old);
  }

  #put(resource: string, object: KubeObject, old: Stored | undefined): Stored {
    const stored = this.#stamp(object);
    const { namespace = "", name } = object.metadata;
    this.#commit(stored.revision, () => this.#write.run(resource, namespace, name, stored.revision, stored.json));
    this.#resource(resource).set(keyOf(namespace, name), stored);
    this.#publish(resource, { type: old ? "MODIFIED" : "ADDED", stored, old });
    return stored;
  }

  remove(resource: string, namespace: string, name: string, expected: number): Stored | undefined {
    const old = this.get(resource, namespace, name);
    if (old?.revision !== expected) return undefined;
    const stored = this.#stamp(old.object);
    this.#commit(stored.revision, () => this.#eraseAt(stored.revision, resource, namespace, name));
    this.#resource(resource).delete(keyOf(namespace, name));
    this.#publish(resource, { type: "DELETED", stored, old });
    return stored;
  }

  #stamp(object: KubeObject): Stored {
    const revision = this.#revision + 1;
    const { apiVersion, kind, ...rest } = object;
    // First what it is, so that lists can cut it off.
    const stamped: KubeObject = {
      apiVersion,
      kind,
      ...rest,
      metadata: { ...object.metadata, resourceVersion: String(revision) },
    };
    return { object: stamped, json: JSON.stringify(stamped), revision };
  }

  /** What is there carries its revision itself; only of what is gone the clock has to keep it. */
  #eraseAt(revision: number, resource: string, namespace: string, name: string): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#erase.run(resource, namespace, name);
      this.#tick.run(revision);
      this.#database.exec("COMMIT");
    } catch (error) {
      // SQLite has taken it back itself when there was no room.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Writes, once more after the log was emptied when the disk is full. Throws an Error that says so when that does not help. */
  #commit(revision: number, write: () => unknown): void {
    try {
      write();
    } catch (error) {
      if (!isFull(error)) throw error;
      try {
        this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        write();
      } catch (again) {
        if (!isFull(again)) throw again;
        const why = `the disk is full that holds ${this.#path}: nothing was written, and what is stored stays`;
        throw new Error(`${why}. Make room there and try again`);
      }
    }
    this.#revision = revision;
  }

  #publish(resource: string, event: StoreEvent): void {
    this.#history(resource).add(event);
  }

  watch(resource: string, revision: number, listener: (event: StoreEvent) => void): () => void {
    // A revision of the future is one of another store: this client's cluster was made anew.
    if (revision > this.#revision) throw new HistoryGone(revision, this.#revision);
    return this.#history(resource).watch(revision, listener);
  }

  /** Which program noted that all objects are as it writes them; 0 = none. */
  get writer(): number {
    const row = this.#database.prepare("PRAGMA application_id").get() as { application_id: number };
    return row.application_id;
  }

  /** Notes it: a number of 31 bits. */
  noteWriter(program: number): void {
    this.#database.exec(`PRAGMA application_id = ${program}`);
  }

  close(): void {
    this.#database.close();
  }
}
