import type { AccessRecord } from "../model/access-record.ts";
import type { HttpRequestFacts } from "../policy/http-rule.ts";
import { peerIdentity } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientConnectionOptions } from "./client-connection.ts";
import { shownFields } from "./header-edits.ts";
import { type Judgement, type RequestPolicy, refused } from "./request-policy.ts";

/** Judges what one connection asks for, each by the policy and the identities of its moment. */
export class RequestJudge {
  private readonly options: Pick<ClientConnectionOptions<ByteStream>, "policy" | "origin" | "facts">;

  constructor(options: RequestJudge["options"]) {
    this.options = options;
  }

  judge(request: HttpRequestFacts): Judgement {
    return this.now((policy, peer) => policy.judge(peer, request));
  }

  /** The same for a TLS client that asks for this name. */
  judgeServerName(serverName: string | undefined): Judgement {
    return this.now((policy, peer) => policy.judgeServerName(peer, serverName));
  }

  private now(judge: (policy: RequestPolicy, peerIdentity: number) => Judgement): Judgement {
    const policy = this.options.policy();
    if (policy === undefined) return refused("redirect is gone");
    const origin = this.options.origin();
    if (origin === undefined) return refused("connection of unknown origin");
    this.options.facts.origin = origin;
    return judge(policy, peerIdentity(origin));
  }

  /** Whether the rules of this moment look at fields of this name, in lower case. */
  readonly isJudged = (name: string): boolean => this.options.policy()?.judgedNames.has(name) ?? false;

  /** A request's fields as a record may have them. */
  shown(fields: AccessRecord["headers"]): AccessRecord["headers"] {
    return shownFields(fields, this.options.policy()?.secretNames);
  }
}
