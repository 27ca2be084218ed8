import { Secrets } from "../kube/resources.ts";
import { secretValue } from "../policy/header-match-fault.ts";
import type { L7Redirect } from "../policy/policy-map.ts";
import type { Informer, KubeObject } from "./kube.ts";
import type { OpenInformer } from "./kube-inputs.ts";

/** How long a secret's first word is waited for before it counts as missing, in ms. */
const PATIENCE = 1000;

interface Followed {
  readonly informer: Informer;
  /** Resolves when the server has said whether there is such a secret, or was waited for long enough. */
  readonly settled: Promise<void>;
  isSettled: boolean;
  /** One character a byte; undefined = there is no such secret, or none that can stand in a header. */
  value: string | undefined;
}

/** Names (`namespace/name`) of the secrets that rules compare headers with. */
export function secretNames(redirects: readonly L7Redirect[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { rules } of redirects)
    for (const { http = [] } of rules)
      for (const { headerMatches = [] } of http)
        for (const { secret } of headerMatches) if (secret !== undefined) names.add(secret);
  return names;
}

/** The values of the secrets that policies in force name, each followed by a watch of its own; no other secret is read. */
export class HeaderSecrets {
  private readonly open: OpenInformer;
  private readonly followed = new Map<string, Followed>();
  private readonly log: (message: string) => void;
  /** Told when a secret changes, comes or goes. */
  onChange: (name: string) => void = () => undefined;

  constructor(open: OpenInformer, log: (message: string) => void) {
    this.open = open;
    this.log = log;
  }

  /** Follows these and no others from now on. */
  follow(names: ReadonlySet<string>): void {
    for (const [name, { informer }] of this.followed) {
      if (names.has(name)) continue;
      informer.stop();
      this.followed.delete(name);
    }
    for (const name of names) if (!this.followed.has(name)) this.followed.set(name, this.begin(name));
  }

  stop(): void {
    this.follow(new Set());
  }

  /** The values of those that exist; undefined while it is not known whether one of them does. */
  valuesOf(names: ReadonlySet<string>): ReadonlyMap<string, string> | undefined {
    const values = new Map<string, string>();
    for (const name of names) {
      const followed = this.followed.get(name);
      if (followed?.isSettled !== true) return undefined;
      if (followed.value !== undefined) values.set(name, followed.value);
    }
    return values;
  }

  /** Resolves when `valuesOf` has an answer. */
  async settled(names: ReadonlySet<string>): Promise<void> {
    await Promise.all([...names].map((name) => this.followed.get(name)?.settled));
  }

  private begin(key: string): Followed {
    const [namespace = "", name = ""] = key.split("/");
    const informer = this.open(Secrets, { namespace, fieldSelector: `metadata.name=${name}` });
    const followed: Followed = {
      informer,
      settled: this.firstWord(informer, () => followed),
      isSettled: false,
      value: undefined,
    };
    const learn = (object: KubeObject | undefined) => {
      const before = followed.value;
      followed.value = object === undefined ? undefined : this.valueOf(key, object);
      if (followed.isSettled && before !== followed.value) this.onChange(key);
    };
    informer.on({ onAdd: learn, onUpdate: (_, object) => learn(object), onDelete: () => learn(undefined) });
    return followed;
  }

  private async firstWord(informer: Informer, followed: () => Followed): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE);
    });
    await Promise.race([informer.start(), patience]);
    clearTimeout(timer);
    followed().isSettled = true;
  }

  private valueOf(key: string, object: KubeObject): string | undefined {
    const data = (object as { readonly data?: Readonly<Record<string, string>> }).data ?? {};
    const items = Object.entries(data).map(([name, item]) => [name, Buffer.from(item, "base64").toString("latin1")]);
    const value = secretValue(Object.fromEntries(items));
    if (value !== undefined) return value;
    this.log(
      `secret ${key}: wanted is one item, or one called generic, without control characters such as a line feed at its end; rules that compare headers with it do not match`,
    );
    return undefined;
  }
}
