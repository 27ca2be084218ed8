import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";

/** Fields to keep; `undefined` keeps a field whole. */
type MaskTree = Map<DescField, MaskTree | undefined>;

/**
 * Hubble's command asks for a fixed set of fields that leaves out the ones its own lines need for policy verdicts; who
 * asks for the verdict and the event type gets these too, which no reader minds.
 */
const VERDICT_DETAILS = [
  "policy_match_type",
  "traffic_direction",
  "ingress_allowed_by",
  "ingress_denied_by",
  "egress_allowed_by",
  "egress_denied_by",
] as const;

function addPath(tree: MaskTree, schema: DescMessage, path: string): void {
  let message: DescMessage | undefined = schema;
  let level = tree;
  const parts = path.split(".");
  for (const [i, part] of parts.entries()) {
    const field: DescField | undefined = message?.fields.find(({ name }) => name === part);
    if (!field)
      throw new ConnectError(
        `invalid field mask: no field ${JSON.stringify(path)} in ${schema.typeName}`,
        Code.Unknown,
      );
    if (level.has(field) && level.get(field) === undefined) return;
    if (i === parts.length - 1) {
      level.set(field, undefined);
      return;
    }
    const next = level.get(field) ?? new Map();
    level.set(field, next);
    level = next;
    message = field.fieldKind === "message" ? field.message : undefined;
  }
}

/** `isFilled`: a message of which fields are wanted is there although the source has none. */
function applyTree(tree: MaskTree, schema: DescMessage, from: Message, isFilled: boolean): Message {
  const made = create(schema);
  const source = from as unknown as Record<string, unknown>;
  const target = made as unknown as Record<string, unknown>;
  for (const [field, subtree] of tree) {
    const holder = field.oneof ? (source[field.oneof.localName] as { case?: string; value?: unknown }) : undefined;
    if (holder && holder.case !== field.localName) continue;
    const inner = subtree && field.fieldKind === "message" ? field.message : undefined;
    const missing = isFilled && inner !== undefined ? create(inner) : undefined;
    const value = (holder ? holder.value : source[field.localName]) ?? missing;
    if (value === undefined) continue;
    const kept = subtree && inner ? applyTree(subtree, inner, value as Message, isFilled) : value;
    if (field.oneof) target[field.oneof.localName] = { case: field.localName, value: kept };
    else target[field.localName] = kept;
  }
  return made;
}

function compileTree(paths: readonly string[], isFilled: boolean): (flow: Flow) => Flow {
  const tree: MaskTree = new Map();
  for (const path of paths) addPath(tree, FlowSchema, path);
  return (flow) => applyTree(tree, FlowSchema, flow, isFilled) as Flow;
}

/** A function that copies these fields of a flow and no other, for exports. Throws ConnectError (Unknown, as upstream) on a path that does not exist. */
export function compileExactMask(paths: readonly string[]): (flow: Flow) => Flow {
  return compileTree(paths, true);
}

/** The same with what a verdict's line needs, for who asks for verdicts. */
export function compileMask(paths: readonly string[]): (flow: Flow) => Flow {
  const isOfVerdicts = paths.includes("verdict") && paths.includes("event_type");
  return compileTree(isOfVerdicts ? [...paths, ...VERDICT_DETAILS] : paths, false);
}
