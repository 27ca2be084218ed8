import type { L7PeerRules } from "../policy/policy-map.ts";

/** Why a request is refused. */
export const Refusal = { noRule: "no rule matched", denied: "denied by a rule" } as const;

interface Compiled<Word> {
  readonly identities: ReadonlySet<number> | undefined;
  /** Index of the rule set with which a pass goes on. */
  readonly passTo: number | undefined;
  readonly word: Word;
}

/** The rule sets of one redirect, each made into a word on requests, in the order in which a peer's requests meet them. */
export class PeerRules<Word, Way> {
  private readonly rules: readonly Compiled<Word>[];
  private readonly byPeer = new Map<number, Way>();
  private readonly arrange: (words: readonly Word[]) => Way;

  /**
   * `arrange` makes what is asked for of a peer's words, once a peer. Throws what `compile` throws, and on a pass that leads
   * nowhere further: nobody could say what it means.
   */
  constructor(
    rules: readonly L7PeerRules[],
    compile: (rule: L7PeerRules, index: number) => Word,
    arrange: (words: readonly Word[]) => Way,
  ) {
    this.arrange = arrange;
    this.rules = rules.map((rule, index) => {
      const { identities, passTo } = rule;
      if (passTo !== undefined && passTo <= index)
        throw new Error(`rule ${index}: a pass must lead further down, not to ${passTo}`);
      return { identities: identities && new Set(identities), passTo, word: compile(rule, index) };
    });
  }

  /** A pass speaks of all requests of its peers, so that the way of a peer is always the same. */
  wayOf(peerIdentity: number): Way {
    const known = this.byPeer.get(peerIdentity);
    if (known !== undefined) return known;
    const words: Word[] = [];
    for (let index = 0; index < this.rules.length; index++) {
      const { identities, passTo, word } = this.rules[index]!;
      if (identities?.has(peerIdentity) === false) continue;
      if (passTo !== undefined) index = passTo - 1;
      else words.push(word);
    }
    const way = this.arrange(words);
    this.byPeer.set(peerIdentity, way);
    return way;
  }
}
