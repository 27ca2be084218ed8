const URL_PARTS = /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#@]*)@)?([^/?#]*)([^?#]*)(?:(\?)([^#]*))?(?:#(.*))?$/i;

/** A path as Go would write it; a path that stands otherwise is kept beside what it means. */
function standardPath(path: string): string {
  const hex = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(path)
    .replace(/%(?:2F|24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent)
    .replace(/[!'()*]/g, hex);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An absolute URL as Go's JSON shows one: part by part. Null for what is none. */
export function goUrl(text: string): object | null {
  const parts = URL_PARTS.exec(text);
  if (parts === null) return null;
  const [, scheme = "", user, host = "", path = "", mark, query = "", fragment = ""] = parts;
  const plain = unescaped(path);
  const plainFragment = unescaped(fragment);
  return {
    ...{ Scheme: scheme.toLowerCase(), Opaque: "", User: user === undefined ? null : {}, Host: host, Path: plain },
    ...{ Fragment: plainFragment, RawQuery: query, RawPath: standardPath(plain) === path ? "" : path },
    RawFragment: standardPath(plainFragment) === fragment ? "" : fragment,
    ...{ ForceQuery: mark !== undefined && query === "", OmitHost: false },
  };
}
