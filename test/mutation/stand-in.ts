/** What stands in for vitest where mutants are judged: it only gathers tests, so that each can be run by itself, many times, in one process. */
import { createRequire } from "node:module";
import { join } from "node:path";

type Body = (...row: unknown[]) => unknown;

/** All tests of the files that were imported so far, in their order. */
export const gathered: { readonly name: string; readonly body: () => unknown }[] = [];

/** Installed beside the copy of the sources, and no package of the checkout. */
export const { expect } = createRequire(join(process.cwd(), "tools/package.json"))("expect") as {
  readonly expect: unknown;
};

/** Options, such as a time limit, mean nothing here. */
const bodyOf = (rest: readonly unknown[]) => rest.find((each): each is Body => typeof each === "function")!;

function each(define: (name: string, body: Body) => unknown) {
  return (table: readonly unknown[]) =>
    (name: string, ...rest: unknown[]) => {
      const body = bodyOf(rest);
      for (const row of table) define(name, () => body(...(Array.isArray(row) ? row : [row])));
    };
}

function add(name: string, ...rest: unknown[]): void {
  gathered.push({ name, body: bodyOf(rest) });
}

export const it = Object.assign(add, { each: each(add) });
export const test = it;
const group = (_: string, ...rest: unknown[]) => bodyOf(rest)();
export const describe = Object.assign(group, { each: each(group) });
