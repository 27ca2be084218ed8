import type { FlowContext } from "./context.ts";

interface Question {
  readonly ask: () => unknown;
  readonly answer: unknown;
}

/** Lists and facts may be made at each question: they are compared by what they hold, whose own lists never change. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [mine, others] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(mine);
  return names.length === Object.keys(others).length && names.every((name) => mine[name] === others[name]);
}

/** What a flow was made of that its event does not say: the questions that were asked meanwhile, and their answers. */
export class Questions {
  /** To make the flow with. */
  readonly context: FlowContext;
  private readonly asked: Question[] = [];

  constructor(context: FlowContext) {
    const note = <T>(ask: () => T): T => {
      const answer = ask();
      this.asked.push({ ask, answer });
      return answer;
    };
    this.context = {
      ...context,
      nodeLabels: () => note(() => context.nodeLabels()),
      redaction: () => note(() => context.redaction()),
      endpointByAddress: (address) => note(() => context.endpointByAddress(address)),
      identityByAddress: (address) => note(() => context.identityByAddress(address)),
      labelsOfIdentity: (identity) => note(() => context.labelsOfIdentity(identity)),
      serviceByFrontend: (...frontend) => note(() => context.serviceByFrontend(...frontend)),
      dnsNames: (endpointId, address) => note(() => context.dnsNames(endpointId, address)),
      interfaceName: (ifindex) => note(() => context.interfaceName(ifindex)),
      ruleOrigins: (cookie) => note(() => context.ruleOrigins(cookie)),
    };
  }

  /** Whether each is answered as it was: then the flow would be made as it was, but for its time and id. */
  areAnsweredAlike(): boolean {
    return this.asked.every(({ ask, answer }) => isSame(ask(), answer));
  }
}
