import { protocolName } from "../../model/protocol.ts";
import { countOf } from "../replay/recording.ts";
import { flowTitle, plainText, timesText } from "../replay/replay-text.ts";
import type { Exception, Suggestion } from "./suggest.ts";

const MOST_LISTED = 20;

/** The policies as YAML; what the replay of all flows under them showed stands above, as comments. */
export function suggestionText(suggestion: Suggestion): string {
  const { yaml, policies, wantedCount, alreadyAllowed, leftDenied, unproven, alsoOpened } = suggestion;
  const exceptions = (one: string, several: string, all: readonly Exception[]) =>
    section(
      `${all.length} ${all.length === 1 ? one : several}`,
      all.map(({ conversation, why }) => `${flowTitle(conversation)}: ${why}`),
    );
  const said =
    unproven.length === 0
      ? [
          wantedCount === 1
            ? "Proven by replay: the one distinct flow that is wanted is allowed."
            : `Proven by replay: all ${wantedCount} distinct flows that are wanted are allowed.`,
        ]
      : ["NOT PROVEN: some of what is wanted is not allowed."];
  const lines = [
    ...said,
    ...(alreadyAllowed > 0
      ? [
          `Rules that exist allow ${alreadyAllowed === 1 ? "one end" : `${alreadyAllowed} ends`} of them already (who sends, who receives): that is not suggested again.`,
        ]
      : []),
    ...(policies.length === 0 ? ["Nothing has to be added."] : []),
    ...exceptions("wanted flow is not allowed", "wanted flows are not allowed", unproven),
    ...exceptions("other recorded flow is opened too", "other recorded flows are opened too", alsoOpened),
    ...section(
      `${leftDenied.length === 1 ? "1 flow was denied when it was recorded, and stays so" : `${leftDenied.length} flows were denied when they were recorded, and stay so`} (--include-denied)`,
      leftDenied.map((flow) => `${flowTitle(flow)} (${timesText(countOf(flow))})`),
    ),
  ];
  const head = lines.map((line) => `# ${plainText(line)}\n`).join("");
  return `${head}${policies.length === 0 ? "" : `---\n${yaml}`}`;
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const rest = lines.length - MOST_LISTED;
  return [
    `${title}:`,
    ...lines.slice(0, MOST_LISTED).map((line) => `  ${line}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ];
}

/** The same as JSON, the policies as text. */
export function suggestionJson(suggestion: Suggestion): string {
  const { yaml, policies, wantedCount, alreadyAllowed, leftDenied, unproven, alsoOpened } = suggestion;
  const exception = ({ conversation, why }: Exception) => ({ ...flow(conversation), why });
  const flow = ({ from, to, protocol, port, request }: Exception["conversation"]) => ({
    from: from.title,
    to: to.title,
    protocol: protocolName(protocol),
    port,
    ...(request && { request: request.title }),
  });
  const shown = {
    proven: unproven.length === 0,
    wanted: wantedCount,
    alreadyAllowed,
    policies: policies.map(({ name, subject, rules }) => ({
      name,
      namespace: subject.namespace,
      subject: subject.title,
      rules: rules.map(({ direction, element, flows, widenings }) => ({
        direction,
        element,
        widenings,
        flows: flows.map(flow),
      })),
    })),
    unproven: unproven.map(exception),
    alsoOpened: alsoOpened.map(exception),
    leftDenied: leftDenied.map(flow),
    yaml,
  };
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}
