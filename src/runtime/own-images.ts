import { readFileSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { parse } from "yaml";
import { type Program, repositoryOf, TOOLS_IN_POD } from "./images.ts";
import { RuntimeError } from "./port.ts";

/** What a user's file of images looks like. */
export const EXAMPLE = `- image: docker.io/library/redis        # any tag of it
  command: [redis-server, --save, ""]   # a program of this machine's /usr, or one of the files below
- image: example.com/shop/api
  command: [/app/api, --port, "8080"]
  files:
    /app/api: /home/me/shop/api         # where the pod sees it: where it lies on this machine
`;

type Entry = Readonly<Record<string, unknown>>;

function textsOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string")
    ? value
    : undefined;
}

function readEntry(entry: unknown, at: string): [string, Program] {
  const refuse = (why: string): never => {
    throw new Error(`${at}: ${why}`);
  };
  if (typeof entry !== "object" || entry === null || Array.isArray(entry))
    return refuse("image and command are wanted");
  const { image, command, files = {}, ...others } = entry as Entry;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) refuse(`there is no field ${unknown}: image, command and files are there`);
  if (typeof image !== "string") return refuse("image: the name of an image is wanted");
  const entrypoint = textsOf(command) ?? refuse("command: a list of words is wanted");
  if (typeof files !== "object" || files === null || Array.isArray(files))
    return refuse("files: pairs of paths are wanted");
  const places = Object.entries(files as Entry).map(([path, hostPath]) => {
    if (!isAbsolute(path) || typeof hostPath !== "string" || !isAbsolute(hostPath))
      return refuse(`files.${path}: both paths must begin with /`);
    if (statSync(hostPath, { throwIfNoEntry: false }) === undefined) refuse(`files.${path}: there is no ${hostPath}`);
    return { path, hostPath };
  });
  return [repositoryOf(image), { entrypoint, command: [], files: places }];
}

/** Reads the text of such a file. Throws Error that names the entry and the field. */
export function parseOwnImages(text: string, name: string): Map<string, Program> {
  const entries: unknown = parse(text) ?? [];
  if (!Array.isArray(entries)) throw new Error(`${name}: a list is wanted, each with image and command`);
  return new Map(entries.map((entry, index) => readEntry(entry, `${name}: entry ${index + 1}`)));
}

/** The file as it is now, read again when it changed; no file is no images. `find` of a catalogue throws what is wrong with it. */
export function ownImages(path: string, distDirectory: string): () => ReadonlyMap<string, Program> {
  let known: { readonly stamp: string; readonly images: ReadonlyMap<string, Program> } | undefined;
  const tools = { hostPath: `${distDirectory}/tools`, path: TOOLS_IN_POD };
  return () => {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return new Map();
    const stamp = `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
    if (known?.stamp === stamp) return known.images;
    try {
      const parsed = parseOwnImages(readFileSync(path, "utf8"), path);
      const images = new Map(
        [...parsed].map(([image, program]) => [image, { ...program, files: [...program.files, tools] }]),
      );
      known = { stamp, images };
      return images;
    } catch (error) {
      throw new RuntimeError("ErrImagePull", (error as Error).message);
    }
  };
}
