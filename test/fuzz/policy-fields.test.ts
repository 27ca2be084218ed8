import { describe, expect, it } from "vitest";
import { type ParseResult, parsePolicy } from "../../src/policy/parse.ts";
import type { Rule } from "../../src/policy/rule.ts";
import {
  isMapPlace,
  isObjectPlace,
  leadsSomewhere,
  type Place,
  pathOf,
  placesIn,
  shapeOf,
  withValue,
} from "../support/document-places.ts";
import { apiAsPolicy, deedsOf } from "../support/policy-deeds.ts";
import { wholeDocuments } from "../support/policy-documents.ts";

/** Every field of every kind: what is done to one is done to all of them, so that none is forgotten. */

const read = (document: unknown): ParseResult => parsePolicy(document, { nodeSelectorLabels: true });

/** Where an element stands is no part of what it does. */
function withoutPath(rule: Rule): unknown {
  return { ...rule, elements: rule.elements.map(({ path, ...element }) => element) };
}

const documents = wholeDocuments().map((document) => {
  // What a status holds is nobody's business here.
  const places = placesIn(document, ["status"]).filter(({ steps }) => steps.length > 0);
  return { document, places, before: outcome(document) };
});

/** All that a policy comes to, its warnings left out. */
interface Outcome {
  readonly ok: boolean;
  /** Its rules with their labels, or its errors. */
  readonly text: string;
  /** Its rules as the API prints them. */
  readonly api: string;
}

function outcome(document: unknown): Outcome {
  const result = read(document);
  const findings = [...(result.ok ? [] : result.errors), ...result.warnings];
  expect(findings.filter(({ field }) => !leadsSomewhere(document, field))).toEqual([]);
  if (!result.ok) return { text: JSON.stringify(result.errors), api: "", ok: false };
  const labels = result.rules.map((rule) => rule.labels);
  const api = JSON.stringify(result.rules.map((rule) => rule.api));
  return { text: JSON.stringify([result.key, labels, result.rules.map(withoutPath)]), api, ok: true };
}

/** Whether an error stands at the place or inside it. */
function isRefusedAt(document: unknown, path: string): boolean {
  const result = read(document);
  return (
    !result.ok &&
    result.errors.some(({ field }) => field.startsWith(path) && /^([.[]|$)/.test(field.slice(path.length)))
  );
}

/** Asks for every place of every document, and lists the complaints. */
function complaints(judge: (document: object, place: Place, before: Outcome) => readonly string[]): string[] {
  return documents.flatMap(({ document, places, before }) =>
    places.flatMap((place) => {
      const path = pathOf(place.steps);
      return judge(document, place, before).map((text) => `${document.kind} ${path}: ${text}`);
    }),
  );
}

/** Each of `values` in the place of what is there: those that are not refused at that very field. */
function notRefused(document: object, { steps }: Place, values: readonly unknown[]): string[] {
  const taken = values.filter((value) => !isRefusedAt(withValue(document, steps, value), pathOf(steps)));
  return taken.map(
    (value) => `${typeOf(value)} ${typeof value === "number" ? value : JSON.stringify(value)} is not refused`,
  );
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "list";
  return value instanceof Date || value instanceof Map ? "foreign object" : typeof value;
}

it("the documents are accepted, and leave no field out that the parser knows", () => {
  const shape = (place: Pick<Place, "steps">) => shapeOf(place.steps).replace(/^\.specs\[\]/, ".spec");
  const used = new Set(documents.flatMap(({ places }) => places.map(shape)));
  const known = new Set<string>();
  for (const { document, places } of documents) {
    expect(read(document)).toMatchObject({ ok: true });
    for (const place of places.filter(isObjectPlace)) {
      const result = read(withValue(document, [...place.steps, "surprise"], 1));
      const errors = result.ok ? [] : result.errors;
      const { mend = "" } = errors.find(({ message }) => message === "unknown field") ?? {};
      for (const name of mend.replace("use one of: ", "").split(", ").filter(Boolean))
        known.add(`${shape(place)}.${name}`);
    }
  }
  // Known in order to be refused with a reason.
  const refused = /\.ingress\[\]\.toPorts\[\]\.(listener|rules\.dns)$/;
  expect(known.size).toBeGreaterThan(200);
  expect([...known].filter((each) => !used.has(each) && !refused.test(each))).toEqual([]);
});

it("a value of another type is refused, by the name of its field", () => {
  const others = ["zz", "", 7, 0, true, false, [], {}, ["zz"], new Date(0), new Map()];
  /** A port of Kubernetes' policies is a number or a name, an ICMP type too. */
  const mayBe = (shape: string, other: unknown) =>
    /\.(in|e)gress\[\]\.ports\[\]\.port$/.test(shape)
      ? other === "zz" || other === 7
      : /\.type$/.test(shape) && typeof other === "number";
  const found = complaints((document, place) => {
    const wrong = others.filter(
      (other) => typeOf(other) !== typeOf(place.value) && !mayBe(shapeOf(place.steps), other),
    );
    return notRefused(document, place, wrong);
  });
  expect(found).toEqual([]);
});

it("a number beyond its bounds is refused, by the name of its field, and so is a port that is no number", () => {
  const numbers = [-1, 0.5, 65_536, 2 ** 31, 2 ** 32 + 80, 2 ** 53, 1e21, Number.NaN, Number.POSITIVE_INFINITY];
  const ports = [
    "65536",
    "4294967376",
    "18446744073709551696",
    "9".repeat(400),
    "0x.5",
    "1e+1",
    "8.0",
    "+80",
    " 80",
    "80 ",
    "-1",
    "٨٠",
  ];
  let seen = 0;
  const found = complaints((document, place) => {
    if (typeof place.value === "number") seen++;
    if (typeof place.value === "number") return notRefused(document, place, numbers);
    return /\.ports\[\]\.port$/.test(shapeOf(place.steps)) ? notRefused(document, place, ports) : [];
  });
  expect(found).toEqual([]);
  expect(seen).toBeGreaterThan(20);
});

const NAMES = ["surprise", "__proto__", "constructor", "toString", "hasOwnProperty", "a.b", 'x["y"]', "[0]", ""];

it("a field that nobody knows is refused wherever it stands, by its name", () => {
  const found = complaints((document, place) => {
    // The API's own fields of an object are many, and none of them is of a policy.
    if (!isObjectPlace(place) || shapeOf(place.steps) === ".metadata") return [];
    const taken = NAMES.filter(
      (name) => !isRefusedAt(withValue(document, [...place.steps, name], []), pathOf([...place.steps, name])),
    );
    return taken.map((name) => `${JSON.stringify(name)} is not refused`);
  });
  expect(found).toEqual([]);
});

it("a label is never lost, whatever its key is called", () => {
  const found = complaints((document, place, before) => {
    if (!isMapPlace(place) || place.steps[0] === "metadata") return [];
    const lost = NAMES.filter((name) => {
      const steps = [...place.steps, name];
      const changed = withValue(document, steps, "x");
      return !isRefusedAt(changed, pathOf(steps)) && outcome(changed).text === before.text;
    });
    return lost.map((name) => `the key ${JSON.stringify(name)} is lost`);
  });
  expect(found).toEqual([]);
});

it("a word that every object of JavaScript knows means no more than another word", () => {
  const words = [
    ["constructor", "constructos"],
    ["toString", "toStrink"],
    ["__proto__", "__brodo__"],
  ] as const;
  const found = complaints((document, { steps, value }) => {
    if (typeof value !== "string") return [];
    const told = words.filter(([known, other]) => {
      const [one, two] = [known, other].map((word) => outcome(withValue(document, steps, word)).text);
      return one!.replaceAll(known, other).replaceAll(known.toLowerCase(), other.toLowerCase()) !== two;
    });
    return told.map(([known]) => `${known} is told from other words`);
  });
  expect(found).toEqual([]);
});

/** Fields that say nothing to anybody but their readers, or that mean what their absence means. */
const WITHOUT_EFFECT =
  /^\.metadata\.(labels|annotations)|\.description$|gress\[\]\.name$|\.(from|to)Requires$|^\.(status|apiVersion)|\.(policyTypes|kind$)/;

describe("what is taken away or changed", () => {
  /** Between them there is another good value for every field. */
  const texts = [
    "81",
    "zz",
    "UDP",
    "10.9.0.0/16",
    "b.io",
    "*.c.io",
    "POST",
    "NotIn",
    "Exists",
    "EchoReply",
    "IPv4",
    "LOG",
    "disabled",
  ];
  const more = [
    "192.168.0.0/16",
    "?!",
    "cluster",
    "Baseline",
    "Deny",
    "CiliumClusterwideEnvoyConfig",
    "CiliumClusterwideNetworkPolicy",
  ];
  const values: readonly unknown[] = [
    ...texts,
    ...more,
    85,
    9,
    true,
    false,
    "10.1.2.0/24",
    "DoesNotExist",
    "In",
    "Pass",
    "CiliumEnvoyConfig",
  ];

  it("changes the rules, or is refused", () => {
    const found = complaints((document, { steps }, before) => {
      const shape = shapeOf(steps);
      const hasEffect =
        !WITHOUT_EFFECT.test(shape) && outcome(withValue(document, steps, undefined)).text === before.text;
      return hasEffect ? ["taking it away changes nothing"] : [];
    });
    expect(found).toEqual([]);
  });

  it("has a value that changes the rules, and what the API prints of them", () => {
    const changing = new Set<string>();
    const found = complaints((document, { steps, value }, before) => {
      if (typeof value === "object") return [];
      for (const other of values) {
        const { ok, text, api } = outcome(withValue(document, steps, other));
        if (!ok || text === before.text) continue;
        changing.add(shapeOf(steps));
        return api === before.api ? [`the API prints the same with ${other}`] : [];
      }
      return [];
    });
    const leaves = documents.flatMap(({ places }) => places.filter(({ value }) => typeof value !== "object"));
    const shapes = new Set(leaves.map(({ steps }) => shapeOf(steps)));
    expect(found).toEqual([]);
    expect([...shapes].filter((shape) => !changing.has(shape) && !WITHOUT_EFFECT.test(shape))).toEqual([]);
  });
});

it("what the API prints is read as the same rules again", () => {
  const printable = documents.filter(({ document }) => document.kind !== "ClusterNetworkPolicy");
  for (const { document } of printable) {
    const result = read(document);
    const again = result.ok ? read(apiAsPolicy(result)) : undefined;
    expect(again?.ok ? deedsOf(again.rules) : again).toEqual(result.ok && deedsOf(result.rules));
  }
  expect(printable.length).toBeGreaterThan(5);
});
