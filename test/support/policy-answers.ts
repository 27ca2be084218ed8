import { type Answer, evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";

/** The answers to the queries; every policy must have been accepted. */
export function answersByQuery(scenario: Scenario): Map<string, Answer> {
  const answers = evaluateScenario(scenario);
  const refused = answers.filter(({ verdict }) => verdict === "invalid");
  if (refused.length > 0) throw new Error(JSON.stringify(refused));
  return new Map(answers.map((answer) => [answer.id, answer]));
}

/** Some subject's rules contradict each other. */
export function hasError(answers: readonly Answer[]): boolean {
  return answers.some(({ verdict }) => verdict === "error");
}

/** What becomes of each query, without who decided it. */
export function outcomes(scenario: Scenario): (readonly (string | undefined)[])[] {
  return [...answersByQuery(scenario).values()].map(({ id, verdict, final, ingress, egress }) => [
    id,
    verdict,
    final,
    ingress?.verdict,
    egress?.verdict,
  ]);
}
