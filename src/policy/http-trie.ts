import type { TextForm, TextMatcher } from "./http-text.ts";

interface Entry<Subject> {
  readonly rule: number;
  readonly matches: TextMatcher | undefined;
  /** What else the rule wants; undefined = nothing. */
  readonly test: ((subject: Subject) => boolean) | undefined;
}

/** A prefix of texts, and the entries of forms that have exactly this prefix. */
interface Node<Subject> {
  /** What this node adds to the prefix of its parent. */
  label: string;
  children: Map<number, Node<Subject>>;
  exact: Entry<Subject>[];
  rest: Entry<Subject>[];
  tests: Entry<Subject>[];
}

/** Forms of texts as a compressed trie: a look-up touches only the forms whose prefix the text has. */
export class TextTrie<Subject> {
  private readonly root: Node<Subject> = emptyNode("");

  /** Files a rule under the forms that a text of it may have. Rules must come in ascending order. */
  add(forms: readonly TextForm[], rule: number, test: ((subject: Subject) => boolean) | undefined): void {
    for (const { kind, prefix, matches } of forms) {
      const node = this.nodeOf(prefix);
      if (kind === "exact") node.exact.push({ rule, matches: undefined, test });
      else if (kind === "rest") node.rest.push({ rule, matches: undefined, test });
      else node.tests.push({ rule, matches, test });
    }
  }

  /** The lowest rule below `best` that the text and the subject match, else `best`; with `isAnyEnough` the first one found. */
  find(text: string, subject: Subject, best: number, isAnyEnough: boolean): number {
    let node = this.root;
    let at = 0;
    let lineFeed = -2;
    let found = best;
    for (;;) {
      if (node.rest.length > 0) {
        if (lineFeed === -2) lineFeed = text.lastIndexOf("\n");
        if (lineFeed < at) found = firstOf(node.rest, text, subject, found);
      }
      if (node.tests.length > 0) found = firstOf(node.tests, text, subject, found);
      if (at === text.length && node.exact.length > 0) found = firstOf(node.exact, text, subject, found);
      if (isAnyEnough && found !== best) return found;
      if (at === text.length) return found;
      const child = node.children.get(text.charCodeAt(at));
      if (child === undefined || !text.startsWith(child.label, at)) return found;
      node = child;
      at += child.label.length;
    }
  }

  private nodeOf(prefix: string): Node<Subject> {
    let node = this.root;
    let at = 0;
    while (at < prefix.length) {
      const child = node.children.get(prefix.charCodeAt(at));
      if (child === undefined) {
        const leaf = emptyNode<Subject>(prefix.slice(at));
        node.children.set(prefix.charCodeAt(at), leaf);
        return leaf;
      }
      let shared = 0;
      while (shared < child.label.length && child.label[shared] === prefix[at + shared]) shared++;
      if (shared < child.label.length) split(child, shared);
      node = child;
      at += shared;
    }
    return node;
  }
}

function emptyNode<Subject>(label: string): Node<Subject> {
  return { label, children: new Map(), exact: [], rest: [], tests: [] };
}

/** Leaves the first `length` characters to the node and gives the others, and all it had, to a child. */
function split<Subject>(node: Node<Subject>, length: number): void {
  const child = { ...node, label: node.label.slice(length) };
  Object.assign(node, emptyNode<Subject>(node.label.slice(0, length)));
  node.children.set(child.label.charCodeAt(0), child);
}

function firstOf<Subject>(entries: readonly Entry<Subject>[], text: string, subject: Subject, best: number): number {
  for (const { rule, matches, test } of entries) {
    if (rule >= best) return best;
    if ((matches === undefined || matches(text)) && (test === undefined || test(subject))) return rule;
  }
  return best;
}
