import { AuthType, Verdict } from "../../../proto/gen/flow_pb.js";

/** Wraps text of one kind in the sequences of its colour, or leaves it as it is. */
export interface Palette {
  host(text: string): string;
  port(text: string): string;
  identity(text: string): string;
  verdict(verdict: Verdict, text: string): string;
  auth(type: AuthType, text: string): string;
  /** Makes the control characters of a whole output visible, other than this palette's own sequences. */
  escape(text: string): string;
}

const ESCAPE = "\u001b";
/** What follows the escape of a colour that hubble has, or of the end of one. */
const OWN_SEQUENCE = /^\[(?:0|3[1-6])m/;
const RESET = "\u001b[0m";
const paint = (code: number) => (text: string) => `\u001b[${code}m${text}${RESET}`;
const red = paint(31);
const green = paint(32);
const yellow = paint(33);
const magenta = paint(35);
const cyan = paint(36);
const plain = (text: string) => text;

const VERDICT_COLORS: Readonly<Partial<Record<Verdict, (text: string) => string>>> = {
  [Verdict.FORWARDED]: green,
  [Verdict.REDIRECTED]: green,
  [Verdict.DROPPED]: red,
  [Verdict.ERROR]: red,
  [Verdict.AUDIT]: yellow,
  [Verdict.TRACED]: yellow,
  [Verdict.TRANSLATED]: yellow,
};

/** Colours of hubble's compact and dict output. */
export const COLORED: Palette = {
  host: cyan,
  port: yellow,
  identity: magenta,
  verdict: (verdict, text) => (VERDICT_COLORS[verdict] ?? plain)(text),
  auth: (type, text) => (type === AuthType.TEST_ALWAYS_FAIL ? red : green)(text),
  escape: (text) => {
    const [first = "", ...parts] = text.split(ESCAPE);
    const kept = parts.map((part) => (OWN_SEQUENCE.test(part) ? ESCAPE : "^[") + part);
    return [first, ...kept].join("").replaceAll("\r", "\\r");
  },
};

/** Makes control characters of foreign text visible, so that no flow can steer the terminal. */
export function escapeControls(text: string): string {
  return text.replaceAll(ESCAPE, "^[").replaceAll("\r", "\\r");
}

export const PLAIN: Palette = {
  host: plain,
  port: plain,
  identity: plain,
  verdict: (_verdict, text) => text,
  auth: (_type, text) => text,
  escape: escapeControls,
};
