/** Vowels and look-alikes are left out, so that no word and no misreading comes about. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** JSON with sorted keys; null and absent are the same. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined && item !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}

/** FNV-1a, 32 bits. */
function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/**
 * The short name of a pod template, as in `8c4c77fb7`: a hash in decimal, each digit written as a safe letter.
 * `collisions` makes another one when a name is taken by other content.
 */
export function templateHash(template: unknown, collisions = 0): string {
  const digits = String(fnv(canonical(template) + (collisions > 0 ? String(collisions) : "")));
  return [...digits].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}
