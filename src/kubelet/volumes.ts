import { chownSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { Mount } from "../runtime/port.ts";
import { fieldRefValue, type PodFacts } from "./field-ref.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { Container, DownwardSource, KeyToPath, ObjectSource, Pod, ProjectedSource, Volume } from "./pod.ts";

interface VolumeFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly mode: number;
}

/** Volumes on disk, and when their tokens must be written anew. */
export interface PodVolumes {
  readonly directories: ReadonlyMap<string, { readonly path: string; readonly readOnly: boolean }>;
  /** Milliseconds since the epoch; Infinity when nothing expires. */
  readonly refreshAtMs: number;
}

const DEFAULT_MODE = 0o644;
const DATA_LINK = "..data";

function inside(directory: string, path: string): string {
  const normal = normalize(path);
  if (normal.startsWith("/") || normal === ".." || normal.startsWith("../")) {
    throw new Error(`path ${path} of a volume leads out of it`);
  }
  return join(directory, normal);
}

function keyed(data: Readonly<Record<string, Buffer>>, source: ObjectSource, what: string, mode: number): VolumeFile[] {
  const items: readonly KeyToPath[] = source.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return items.flatMap((item) => {
    const bytes = data[item.key];
    if (bytes !== undefined) return [{ path: item.path, bytes, mode: item.mode ?? mode }];
    if (source.optional === true) return [];
    throw new Error(`${what} references non-existent key ${item.key}`);
  });
}

/** Reads the sources of one pod's volumes. */
class VolumeSources {
  readonly #pod: Pod;
  readonly #facts: PodFacts;
  readonly #reader: ObjectReader;
  readonly #now: () => number;
  refreshAtMs = Number.POSITIVE_INFINITY;

  constructor(pod: Pod, facts: PodFacts, reader: ObjectReader, now: () => number) {
    this.#pod = pod;
    this.#facts = facts;
    this.#reader = reader;
    this.#now = now;
  }

  async object(kind: "configMap" | "secret", source: ObjectSource, mode: number): Promise<VolumeFile[]> {
    const name = source.name ?? source.secretName ?? "";
    const data = await this.#reader.data(kind, this.#namespace, name, source.optional ?? false);
    return keyed(data, source, `${kind} ${name}`, mode);
  }

  downward(source: DownwardSource, mode: number): VolumeFile[] {
    return (source.items ?? []).map((item) => {
      if (item.fieldRef === undefined) throw new Error(`downwardAPI item ${item.path}: only fieldRef is supported`);
      const text = fieldRefValue(this.#pod, this.#facts, item.fieldRef.fieldPath);
      return { path: item.path, bytes: Buffer.from(text), mode: item.mode ?? mode };
    });
  }

  async projected(source: ProjectedSource, mode: number): Promise<VolumeFile[]> {
    if (source.configMap) return this.object("configMap", source.configMap, mode);
    if (source.secret) return this.object("secret", source.secret, mode);
    if (source.downwardAPI) return this.downward(source.downwardAPI, mode);
    if (source.serviceAccountToken) return [await this.#token(source.serviceAccountToken)];
    throw new Error(`projected source ${Object.keys(source).join(", ")} is not supported`);
  }

  async files(volume: Volume): Promise<VolumeFile[]> {
    if (volume.configMap)
      return this.object("configMap", volume.configMap, volume.configMap.defaultMode ?? DEFAULT_MODE);
    if (volume.secret) return this.object("secret", volume.secret, volume.secret.defaultMode ?? DEFAULT_MODE);
    if (volume.downwardAPI) return this.downward(volume.downwardAPI, DEFAULT_MODE);
    const mode = volume.projected?.defaultMode ?? DEFAULT_MODE;
    return (await Promise.all((volume.projected?.sources ?? []).map((source) => this.projected(source, mode)))).flat();
  }

  get #namespace(): string {
    return this.#pod.metadata.namespace ?? "default";
  }

  async #token(source: NonNullable<ProjectedSource["serviceAccountToken"]>): Promise<VolumeFile> {
    const { name, uid = "" } = this.#pod.metadata;
    const account = this.#pod.spec.serviceAccountName ?? "default";
    const { token, expiresAtMs } = await this.#reader.token(this.#namespace, account, { name, uid }, source);
    const now = this.#now();
    this.refreshAtMs = Math.min(this.refreshAtMs, now + (expiresAtMs - now) * 0.8);
    return { path: source.path, bytes: Buffer.from(token), mode: DEFAULT_MODE };
  }
}

/** Writes all files of a volume at one stroke: a link turns from the old directory to the new one. */
function writeFiles(directory: string, files: readonly VolumeFile[], stamp: number): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const version = `..${stamp}`;
  for (const file of files) {
    const path = inside(join(directory, version), file.path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, file.bytes, { mode: file.mode });
  }
  mkdirSync(join(directory, version), { recursive: true, mode: 0o755 });
  rmSync(join(directory, `${DATA_LINK}.new`), { force: true });
  symlinkSync(version, join(directory, `${DATA_LINK}.new`));
  renameSync(join(directory, `${DATA_LINK}.new`), join(directory, DATA_LINK));
  for (const top of new Set(files.map((file) => normalize(file.path).split("/")[0]!))) {
    rmSync(join(directory, top), { force: true });
    symlinkSync(join(DATA_LINK, top), join(directory, top));
  }
}

/** Makes or renews a pod's volumes below `directory`. Rejects when a source is missing, naming it. */
export async function prepareVolumes(
  pod: Pod,
  facts: PodFacts,
  reader: ObjectReader,
  directory: string,
  now: () => number,
): Promise<PodVolumes> {
  const sources = new VolumeSources(pod, facts, reader, now);
  const directories = new Map<string, { path: string; readOnly: boolean }>();
  for (const volume of pod.spec.volumes ?? []) {
    const path = join(directory, "volumes", volume.name);
    if (volume.emptyDir !== undefined) mkdirSync(path, { recursive: true, mode: 0o777 });
    else writeFiles(path, await sources.files(volume), now());
    directories.set(volume.name, { path, readOnly: volume.emptyDir === undefined });
  }
  return { directories, refreshAtMs: sources.refreshAtMs };
}

/** The mounts of one container. Throws when a mount names a volume that the pod does not have. */
export function mountsOf(container: Container, volumes: PodVolumes): Mount[] {
  return (container.volumeMounts ?? []).map((mount) => {
    const volume = volumes.directories.get(mount.name);
    if (volume === undefined) throw new Error(`volumeMounts name ${mount.name}, which spec.volumes does not have`);
    const hostPath = mount.subPath ? inside(volume.path, mount.subPath) : volume.path;
    if (mount.subPath && !volume.readOnly && !exists(hostPath)) makeLike(volume.path, hostPath);
    return { hostPath, mountPath: mount.mountPath, readOnly: volume.readOnly || mount.readOnly === true };
  });
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function makeLike(volume: string, path: string): void {
  mkdirSync(path, { recursive: true });
  const { uid, gid } = statSync(volume);
  chownSync(path, uid, gid);
}
