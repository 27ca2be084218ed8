import type { RuleOrigin } from "../policy/policy-map.ts";

/** Cookies of removed rules are kept this many deep, so that events already on their way still find their rule. */
const KEPT = 65_536;

/**
 * Numbers for rule sets: the kernel writes the number into each event and the flow names the rules. The same rules
 * always have the same number while this agent lives; 0 is never used.
 */
export class RuleCookies {
  private readonly byKey = new Map<string, number>();
  private readonly byCookie = new Map<number, readonly RuleOrigin[]>();
  private next = 1;

  cookieOf(origins: readonly RuleOrigin[]): number {
    const key = JSON.stringify(origins);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const cookie = this.next++;
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
