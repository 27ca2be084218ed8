/** Where our API server answers otherwise than Kubernetes' own, by name and with the reason. */
import { type ComparableAnswer, differences } from "./api-comparable.ts";
import type { ApiRequest } from "./api-exchange.ts";

interface KnownDifference {
  readonly name: string;
  readonly why: string;
  /** True when the objects are other ones from here on, so that the story cannot go on. */
  readonly parts: boolean;
  readonly covers: (ours: ComparableAnswer, theirs: ComparableAnswer, request: ApiRequest) => boolean;
}

const isRefusal = ({ code }: ComparableAnswer): boolean => code >= 400;
const only =
  (pattern: RegExp) =>
  (ours: ComparableAnswer, theirs: ComparableAnswer): boolean =>
    differences(ours, theirs).every(({ path }) => pattern.test(path));

/** In the order in which they are asked. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: "no-answer",
    why: "the real server breaks off: a strategic merge patch with $patch and $setElementOrder for one list crashes its handler",
    parts: true,
    covers: (_, theirs) => theirs.code === 0,
  },
  {
    name: "words-of-a-refusal",
    why: "both refuse with one code; other or fewer causes are named, or in other words: a parser's message, Go's print of a map, a key of etcd",
    parts: false,
    covers: (ours, theirs) => isRefusal(ours) && ours.code === theirs.code,
  },
  {
    name: "which-refusal",
    why: "both refuse: of several faults another is found first, and what cannot be merged is 400 or 422 here, where Kubernetes says 500 without a reason",
    parts: false,
    covers: (ours, theirs) => isRefusal(ours) && isRefusal(theirs),
  },
  {
    name: "directives-on-lists-that-do-not-merge",
    why: "Kubernetes answers 500 to $deleteFromPrimitiveList and $retainKeys where the field cannot have them; here they do nothing",
    parts: true,
    covers: (ours, theirs, { body }) =>
      !isRefusal(ours) && isRefusal(theirs) && /\$(deleteFrom|retainKeys|setElement|patch)/.test(JSON.stringify(body)),
  },
  {
    name: "configuration-that-cannot-be-typed",
    why: "unknown fields below an atomic list make an apply fail with 500 in Kubernetes; here they are unknown fields as in any write",
    parts: true,
    covers: (ours, theirs) => !isRefusal(ours) && theirs.code === 500,
  },
  {
    name: "columns",
    why: "descriptions of columns are upstream's prose",
    parts: false,
    covers: (ours, theirs) =>
      differences(ours, theirs).every((found) =>
        /columnDefinitions\[\d+\]\.description$|metadata\.annotations$/.test(found.path),
      ),
  },
  {
    name: "daemon-set-annotation",
    why: "Kubernetes adds deprecated.daemonset.template.generation when it converts, and so not to what shows metadata only",
    parts: false,
    covers: only(/metadata\.annotations$|f:annotations/),
  },
  {
    name: "empty-is-absent",
    why: "Kubernetes tells a written empty list or map from the absent one that its store gives back, and counts a generation and an owner for it",
    parts: true,
    covers: (ours, theirs, { body }) =>
      /\[\]|\{\}|null|remove/.test(JSON.stringify(body) ?? "") &&
      only(/managedFields|generation$|rules$|labels$|metadata\.resourceVersion$/)(ours, theirs),
  },
  {
    name: "order-and-number-of-warnings",
    why: "directives in a list that does not merge are warned of by their own names",
    parts: false,
    covers: only(/warnings/),
  },
];
