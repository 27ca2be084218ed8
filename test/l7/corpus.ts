/** The cases of corpus/*.yaml: streams that try to be read in two ways, and what the proxy does with them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { HttpRule } from "../../src/policy/l7-rule.ts";

/** All that may reach the server. */
export const RULES: readonly HttpRule[] = [{ path: "/ok.*" }];

type Piece = string | { readonly repeat: string; readonly times: number };

type Text = string | readonly Piece[];

interface EnvoyDiffers {
  readonly answers: readonly number[];
  /** It gives these answers, and sometimes more of ours. */
  readonly mayStop?: boolean;
  readonly because: string;
}

interface WrittenCase {
  readonly name: string;
  readonly why: string;
  readonly send: Text;
  readonly answers: readonly number[];
  /** `all` that was sent, or these bytes, or the head of the only request and these bytes of its body; absent = nothing. */
  readonly passes?: string | { readonly body: Text };
  readonly envoy?: EnvoyDiffers;
}

export interface CorpusCase {
  readonly name: string;
  /** What the client sends, one character a byte. */
  readonly sent: string;
  /** Statuses that it gets, in order. */
  readonly answers: readonly number[];
  /** What the server gets. */
  readonly passed: string;
  /** What Envoy answers where that is something else, and why. */
  readonly envoy: EnvoyDiffers | undefined;
}

export function corpus(): CorpusCase[] {
  const folder = join(import.meta.dirname, "corpus");
  return readdirSync(folder).flatMap((file) => {
    const cases = parse(readFileSync(join(folder, file), "utf8")) as readonly WrittenCase[];
    return cases.map((written) => toCase(written, file));
  });
}

function toCase({ name, why, send, answers, passes = "", envoy }: WrittenCase, file: string): CorpusCase {
  if (!why || (envoy !== undefined && !envoy.because)) throw new Error(`${file}: ${name}: says no reason`);
  const sent = textOf(send);
  return { name: `${file.replace(".yaml", "")}: ${name}`, sent, answers, passed: passedOf(sent, passes), envoy };
}

function passedOf(sent: string, passes: NonNullable<WrittenCase["passes"]>): string {
  if (passes === "all") return sent;
  return typeof passes === "string" ? passes : sent.slice(0, sent.indexOf("\r\n\r\n") + 4) + textOf(passes.body);
}

function textOf(text: Text): string {
  const pieces = typeof text === "string" ? [text] : text;
  return pieces.map((piece) => (typeof piece === "string" ? piece : piece.repeat.repeat(piece.times))).join("");
}
