import { compileDnsRules } from "../policy/dns-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";
import { PeerRules, Refusal } from "./peer-rules.ts";

interface Word {
  readonly deny: boolean;
  readonly covers: (name: string) => boolean;
}

const everyName = () => true;

/** The DNS rules of one redirect, ready to judge questions. Immutable: a new policy makes a new one. */
export class DnsPolicy {
  readonly redirect: L7Redirect;
  private readonly rules: PeerRules<Word, readonly Word[]>;

  /** Throws when the redirect is not about DNS. */
  constructor(redirect: L7Redirect) {
    if (redirect.parser !== "dns") throw new Error(`redirect ${redirect.key}: parser "${redirect.parser}" is not dns`);
    this.redirect = redirect;
    const wordOf = ({ deny, dns }: L7PeerRules) => ({
      deny,
      covers: dns === undefined ? everyName : compileDnsRules(dns),
    });
    this.rules = new PeerRules(redirect.rules, wordOf, (words) => words);
  }

  /**
   * Why a server with this identity may not be asked for the name; undefined = it may. The first rule set that covers the
   * server and has a word on the name decides.
   */
  refusal(serverIdentity: number, name: string): string | undefined {
    for (const { deny, covers } of this.rules.wayOf(serverIdentity)) {
      if (covers(name)) return deny ? Refusal.denied : undefined;
    }
    return Refusal.noRule;
  }
}
