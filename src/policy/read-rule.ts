import type { LabelSelector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { PeerRule, PolicyKey, Rule } from "./rule.ts";
import { policyLabels, type RuleLabel, ruleLabelText } from "./rule-labels.ts";

/** What the labels of a rule are made of. */
interface LabelSource {
  readonly key: PolicyKey;
  /** The policy's name in its labels. */
  readonly name: string;
  /** Those that the rule itself gives. */
  readonly own?: readonly RuleLabel[];
}

/** A rule as it was read. There are many of them: labels and the API form are made when somebody asks for them. */
export class ReadRule implements Rule {
  readonly subject: LabelSelector;
  readonly isNode: boolean;
  readonly elements: readonly PeerRule[];
  readonly defaultDeny: Readonly<Record<Direction, boolean>>;
  declare readonly log?: string;
  readonly #source: LabelSource;
  readonly #toApi: (labels: readonly RuleLabel[]) => unknown;

  constructor(
    rule: Omit<Rule, "api" | "labels">,
    source: LabelSource,
    toApi: (labels: readonly RuleLabel[]) => unknown,
  ) {
    this.subject = rule.subject;
    this.isNode = rule.isNode;
    this.elements = rule.elements;
    this.defaultDeny = rule.defaultDeny;
    if (rule.log !== undefined) this.log = rule.log;
    this.#source = source;
    this.#toApi = toApi;
  }

  get labels(): readonly string[] {
    return this.#labels.map(ruleLabelText);
  }

  get api(): unknown {
    return this.#toApi(this.#labels);
  }

  get #labels(): readonly RuleLabel[] {
    const { key, name, own } = this.#source;
    return policyLabels(key, name, own);
  }
}
