import type { RuleOrigin } from "../policy/policy-map.ts";

/** Cookies of removed rules are kept this many deep, so that events already on their way still find their rule. */
const KEPT = 65_536;
const LAST_COOKIE = 0xffff_ffff;

/** 32 bits of a text, never 0. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value === 0 ? 1 : value;
}

/**
 * Numbers for rule sets: the kernel writes the number into each event and the flow names the rules. The number comes
 * from the rules themselves, so that entries of an agent before this one name the right rules or none; 0 is never used.
 */
export class RuleCookies {
  private readonly byKey = new Map<string, number>();
  private readonly byCookie = new Map<number, readonly RuleOrigin[]>();

  cookieOf(origins: readonly RuleOrigin[]): number {
    const key = JSON.stringify(origins);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    let cookie = hash(key);
    while (this.byCookie.has(cookie)) cookie = cookie === LAST_COOKIE ? 1 : cookie + 1;
    this.byKey.set(key, cookie);
    this.byCookie.set(cookie, origins);
    this.forgetOldest();
    return cookie;
  }

  /** Empty for a number that was never given or is long gone. */
  originsOf(cookie: number): readonly RuleOrigin[] {
    return this.byCookie.get(cookie) ?? [];
  }

  private forgetOldest(): void {
    if (this.byCookie.size <= KEPT) return;
    const [cookie, origins] = this.byCookie.entries().next().value!;
    this.byCookie.delete(cookie);
    this.byKey.delete(JSON.stringify(origins));
  }
}
