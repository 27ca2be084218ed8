import type { Informer, InformerHandler, KubeObject } from "../kube/client/index.ts";

/** How long an own write stands in for what the watch has not told yet. */
const STAND_IN_MS = 5000;

interface Own {
  /** Undefined after an own delete. */
  readonly object: KubeObject | undefined;
  readonly uid: string | undefined;
  /** After an own delete of what is not gone at once: as it is while it leaves. */
  readonly leaving?: KubeObject;
  readonly untilMs: number;
}

export const keyOf = (name: string, namespace = ""): string => `${namespace}/${name}`;
export const keyOfObject = (object: KubeObject): string => keyOf(object.metadata.name, object.metadata.namespace);

/** Revisions are numbers in order in every API server that exists; others compare as equal, and the watch wins. */
function isNewer(a: KubeObject, b: KubeObject): boolean {
  return Number(a.metadata.resourceVersion) > Number(b.metadata.resourceVersion);
}

/**
 * An informer's view with our own writes on top, so that a controller never acts twice because the watch is slower
 * than the answer to its write.
 */
export class ObjectCache {
  readonly #informer: Informer;
  readonly #now: () => number;
  readonly #own = new Map<string, Own>();

  constructor(informer: Informer, now: () => number) {
    this.#informer = informer;
    this.#now = now;
    informer.on({ onDelete: (object) => this.#confirmDeleted(object) });
  }

  on(handler: InformerHandler): void {
    this.#informer.on(handler);
  }

  get(name: string, namespace?: string): KubeObject | undefined {
    return this.#view(keyOf(name, namespace), this.#informer.get(name, namespace));
  }

  list(namespace?: string): KubeObject[] {
    const seen = new Set<string>();
    const found: KubeObject[] = [];
    for (const object of this.#informer.list()) {
      const key = keyOfObject(object);
      seen.add(key);
      const view = this.#view(key, object);
      if (view) found.push(view);
    }
    for (const key of [...this.#own.keys()]) {
      const view = seen.has(key) ? undefined : this.#view(key, undefined);
      if (view) found.push(view);
    }
    return namespace === undefined ? found : found.filter((object) => object.metadata.namespace === namespace);
  }

  /** The answer to an own create or update. */
  wrote(object: KubeObject): KubeObject {
    this.#own.set(keyOfObject(object), { object, uid: object.metadata.uid, untilMs: this.#now() + STAND_IN_MS });
    return object;
  }

  /** An own delete that the server has accepted. What has time to leave, `leaving`, is seen until the watch tells its end. */
  deleted(object: KubeObject, leaving?: KubeObject): void {
    this.#own.set(keyOfObject(object), {
      object: undefined,
      uid: object.metadata.uid,
      ...(leaving ? { leaving } : {}),
      untilMs: this.#now() + STAND_IN_MS,
    });
  }

  #confirmDeleted(object: KubeObject): void {
    const own = this.#own.get(keyOfObject(object));
    if (own?.uid === object.metadata.uid) this.#own.delete(keyOfObject(object));
  }

  #view(key: string, watched: KubeObject | undefined): KubeObject | undefined {
    const own = this.#own.get(key);
    if (!own) return watched;
    const caughtUp =
      watched !== undefined && (own.object ? !isNewer(own.object, watched) : own.uid !== watched.metadata.uid);
    if (caughtUp || own.untilMs < this.#now() || (own.object === undefined && watched === undefined)) {
      this.#own.delete(key);
      return watched;
    }
    if (own.leaving && watched) return isNewer(own.leaving, watched) ? own.leaving : watched;
    return own.object;
  }
}
