import { describe, expect, it } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { ourHubble, runHubble } from "../support/hubble-command.ts";

const real = oracle("hubble");
/** Commands that upstream has but does not list. */
const HIDDEN = [["watch"], ["watch", "peers"], ["reflect"]];

/**
 * What a help text says other than in prose: how the command is called, its aliases and commands, and of each flag its
 * section, letter, name, type, value without one, and default.
 */
function outline(help: string): string[] {
  const lines = help
    .slice(help.indexOf("Usage:"))
    .replace(/\n\nExamples:\n[\s\S]*?\n\n(?=\w[\w -]+ Flags:)/, "\n\n")
    .split("\n");
  const found: string[] = [];
  for (const line of lines) {
    const flag = /^ {2}(?: {4}|-\w, )--\S+(?: [\w]+)?(?:\[=\w+\])?(?= {2,}|$)/.exec(line);
    if (flag) found.push(flag[0]);
    else if (/^(?: {2})?\S/.test(line)) found.push(line);
    // the default stands at the end of what may be several lines
    const given = / \(default (.*)\)$/.exec(line)?.[1];
    if (given !== undefined) found.push(`default ${given}`);
  }
  return found;
}

function subcommands(help: string): string[] {
  const section = /\nAvailable Commands:\n([\s\S]*?)\n\n/.exec(help)?.[1] ?? "";
  return section.split("\n").flatMap((line) => /^ {2}(\S+) /.exec(line)?.[1] ?? []);
}

describe.skipIf("missing" in real)(`beside the real hubble command, help${skipNote(real)}`, () => {
  const program = "path" in real ? real.path : "";

  it("every command is there, with every flag of the same letter, type and default", async () => {
    const waiting: string[][] = [[], ...HIDDEN];
    const seen: string[] = [];
    for (let path = waiting.shift(); path; path = waiting.shift()) {
      const theirs = await runHubble(program, [...path, "--help"]);
      const ours = await ourHubble([...path, "--help"]);
      expect({ code: ours.code, err: ours.err, help: outline(ours.out) }, path.join(" ")).toEqual({
        code: theirs.code,
        err: theirs.err,
        help: outline(theirs.out),
      });
      seen.push(path.join(" "));
      waiting.push(...subcommands(theirs.out).map((name) => [...path, name]));
    }
    expect(seen.length).toBeGreaterThan(20);
    expect(seen).toContain("observe agent-events");
  });

  it.each([
    [["help", "bogus"]],
    [["help", "bogus", "x"]],
    [["help", "list", "bogus"]],
    [["help", "observe", "flows"]],
    [["list"]],
    [["list", "bogus"]],
    [["config"]],
    [["completion"]],
    [["--help", "status"]],
    [["-h"]],
    [[]],
    [["w", "peer", "-h"]],
    [["--server", "a:1", "list", "node", "--help"]],
  ])("the help that %j shows is that of the same command", async (args) => {
    const [theirs, ours] = await Promise.all([runHubble(program, args), ourHubble(args)]);
    const both = ({ out, err, code }: typeof ours) => ({
      code,
      out: outline(out),
      err: outline(err),
      topic: /^Unknown.*/.exec(err)?.[0],
    });
    expect(both(ours)).toEqual(both(theirs));
  });

  it.each([
    [["observe", "--verd"]],
    [["observe", "a"]],
    [["list", "nodes", "-o", ""]],
    [["list", ""]],
    [["status", "--output", ""]],
    [["s"]],
    [[""]],
    [["completion", ""]],
    [["config", "s"]],
  ])("a shell is offered the same words for %j", async (args) => {
    const ask = ["__completeNoDesc", ...args];
    const [theirs, ours] = await Promise.all([runHubble(program, ask), ourHubble(ask)]);
    const words = ({ out }: typeof ours) => out.split("\n").toSorted();
    expect(words(ours)).toEqual(words(theirs));
  });

  // upstream names the words of observe's flags before the flags are there, so that none of them is ever offered
  it.each([
    [["observe", "--verdict", "DR"], "DROPPED\n:0\n"],
    [["observe", "flows", "--type=trace:to-h"], "trace:to-host\n:0\n"],
    [["observe", "--identity", "world-"], "world-ipv4\nworld-ipv6\n:0\n"],
  ])("words of observe's flags, which upstream means to offer: %j", async (args, words) => {
    expect((await ourHubble(["__completeNoDesc", ...args])).out).toBe(words);
    expect((await runHubble(program, ["__completeNoDesc", ...args])).out).toBe(":0\n");
  });

  it("--version ends as cobra's does, version says what it runs on", async () => {
    const form = (text: string) => text.replace(/ v\S+/, " V").replace(/ (?:go|node)[\d.]+ /, " R ");
    for (const args of [["--version"], ["-v"], ["version"], ["version", "more"]]) {
      const [theirs, ours] = await Promise.all([runHubble(program, args), ourHubble(args)]);
      expect(form(ours.out)).toBe(form(theirs.out));
    }
  });
});
