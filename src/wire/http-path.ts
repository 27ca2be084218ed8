import { fault, type HttpFault } from "./http-head.ts";

/** A request path in the form that policy judges and the server gets. */
export interface NormalPath {
  /** Normal path and the query as sent. */
  readonly path: string;
  /** The path hid slashes behind `%2F` or `%5C`: the client is told to ask again for `path`. */
  readonly redirect: boolean;
}

const ALREADY_NORMAL = /^(?:\/[A-Za-z0-9_~!$&'()*+,;=:@|^[\]-][A-Za-z0-9._~!$&'()*+,;=:@|^[\]-]*)+\/?(?:\?.*)?$/;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
const ESCAPED_IN_PATH = /["<>`{}]/g;

/**
 * Brings the path of an origin-form target into the form that Cilium's proxy judges by default: escaped slashes are
 * unescaped (and the client redirected), backslashes turned, unreserved characters unescaped, dot segments removed,
 * runs of slashes merged. The query stays. An escaped NUL and a percent sign that escapes nothing are refused.
 */
export function normalizePath(target: string): NormalPath | HttpFault {
  if (ALREADY_NORMAL.test(target) || target === "/" || target === "*") return { path: target, redirect: false };
  const query = target.indexOf("?");
  const given = query < 0 ? target : target.slice(0, query);
  if (/%00/.test(given)) return fault("NUL in a target");
  // `%%32f` would become an escaped slash by being unescaped, after escaped slashes were looked for
  if (/%(?![0-9A-Fa-f]{2})/.test(given)) return fault("percent sign without two hexadecimal digits");
  const unescaped = given.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  const characters = unescaped
    .replaceAll("\\", "/")
    .replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return UNRESERVED.test(character) ? character : escaped;
    })
    .replace(ESCAPED_IN_PATH, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = withoutDotSegments(characters).replace(/\/{2,}/g, "/");
  // Some servers cut parameters off before they remove dot segments, and would leave the path that was judged.
  if (/\/\.\.?;/.test(path)) return fault("dot segment with a parameter");
  return { path: query < 0 ? path : path + target.slice(query), redirect: unescaped !== given };
}

function withoutDotSegments(path: string): string {
  const segments = path.split("/");
  const last = segments[segments.length - 1]!;
  const kept: string[] = [];
  for (const segment of segments.slice(1)) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  const endsInDirectory = last === "." || last === "..";
  return `/${kept.join("/")}${endsInDirectory && kept.length > 0 ? "/" : ""}`;
}
