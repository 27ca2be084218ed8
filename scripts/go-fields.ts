/** How Kubernetes' Go types write their fields as JSON: facts that the published OpenAPI does not carry. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A field of a Go struct, by its JSON name. */
export interface GoField {
  readonly name: string;
  /** The Go type as it is written, as in `*int32`. */
  readonly type: string;
  /** True when the zero value is written too. */
  readonly always: boolean;
}

/** The module that holds the packages of definitions with a prefix. */
const PLACES: readonly (readonly [prefix: string, module: string])[] = [
  ["io.k8s.api.", "k8s.io/api@v0.34.0"],
  ["io.k8s.apimachinery.", "k8s.io/apimachinery@v0.34.0"],
  ["io.k8s.apiextensions-apiserver.", "k8s.io/apiextensions-apiserver@v0.34.0"],
];

/** Reads struct types of Go packages; `folderOf` finds a module's folder. */
export class GoTypes {
  readonly #folderOf: (module: string) => string;
  readonly #packages = new Map<string, ReadonlyMap<string, string>>();

  constructor(folderOf: (module: string) => string) {
    this.#folderOf = folderOf;
  }

  #package(folder: string): ReadonlyMap<string, string> {
    const known = this.#packages.get(folder);
    if (known) return known;
    const files = readdirSync(folder).filter((name) => name.endsWith(".go") && !/_test|generated|zz_/.test(name));
    const text = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
    const structs = new Map(
      [...text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => [name!, body!]),
    );
    this.#packages.set(folder, structs);
    return structs;
  }

  /** The fields of the struct behind an OpenAPI definition, embedded ones among them; undefined when it is no struct. */
  fieldsOf(definition: string): GoField[] | undefined {
    const place = PLACES.find(([prefix]) => definition.startsWith(prefix));
    if (!place) return undefined;
    const [prefix, module] = place;
    const parts = definition.slice(prefix.length).split(".");
    const folder = join(this.#folderOf(module), ...parts.slice(0, -1));
    return existsSync(folder) ? this.#fields(folder, parts.at(-1)!) : undefined;
  }

  #fields(folder: string, name: string): GoField[] | undefined {
    const body = this.#package(folder).get(name);
    return body?.split("\n").flatMap((line) => {
      const [, type = "", tag = ""] = /^\s*(?:\w+\s+)?([\w.*[\]]+)\s+`.*json:"([^"]*)"/.exec(line) ?? [];
      const [json = "", ...options] = tag.split(",");
      if (options.includes("inline")) return type.includes(".") ? [] : (this.#fields(folder, type) ?? []);
      if (json === "" || json === "-") return [];
      // as if it were a pointer: left out when it is zero, though it is a struct
      if (options.includes("omitzero")) return [{ name: json, type: `*${type}`, always: false }];
      return [{ name: json, type, always: !options.includes("omitempty") }];
    });
  }
}
