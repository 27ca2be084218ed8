import type { IncomingMessage } from "node:http";
import { fieldsOf, isFields, type KubeObject } from "../object.ts";
import { forbiddenValue, tooLong, unsupported } from "../schema/field-error.ts";
import {
  badRequest,
  conflict,
  type FieldError,
  invalid,
  methodNotAllowed,
  notFound,
  pathNotFound,
  unknownMediaType,
  unsupportedMediaType,
} from "../status.ts";
import { authorizeResource } from "./authorization.ts";
import { mediaType, parseYaml, type ReadBody, readBody, readJson, readObject, readValue } from "./body.ts";
import type { Call } from "./call.ts";
import { type Api, fromStored, type WriteOptions } from "./context.ts";
import { DEFINITIONS } from "./custom-resources.ts";
import { EPHEMERAL_CONTAINERS, type ResourceKind, serves } from "./kind.ts";
import { negotiate } from "./negotiate.ts";
import { NO_REPETITION } from "./repeated-keys.ts";
import { isTrue, type ResourceRequest } from "./request-info.ts";
import { addWarning, writeValue } from "./respond.ts";
import { REVIEWS } from "./reviews.ts";
import { watchWriter, writeList, writeObject } from "./shapes.ts";
import { proxyLog } from "./subresources/kubelet-proxy.ts";
import { bindPod, evictPod, finalizeNamespace } from "./subresources/pod-actions.ts";
import { getScale, replaceScale } from "./subresources/scale.ts";
import { requestToken } from "./subresources/token.ts";
import { createObject } from "./verbs/create.ts";
import { deleteObject, deleteOptions } from "./verbs/delete.ts";
import { checkRevision, listObjects, selectionOf } from "./verbs/list.ts";
import { checkCounts } from "./verbs/list-options.ts";
import { APPLY_PATCH, applyObject, PATCHES, patched, patchObject, patchTypes } from "./verbs/patch.ts";
import { storedOf, updateObject } from "./verbs/replace.ts";
import { watchObjects } from "./verbs/watch.ts";

/** The kind that a request names. Throws 404. */
export function kindOf(api: Api, request: ResourceRequest): ResourceKind {
  const kind = api.registry.find(request.group, request.version, request.resource);
  if (!kind) throw pathNotFound();
  if (request.subresource !== "" && !serves(kind, request.subresource)) throw pathNotFound();
  if (kind.namespaced === (request.namespace === "") && (request.name !== "" || !kind.namespaced)) throw pathNotFound();
  return kind;
}

/** The program that a user agent names, as field managers are called by default. */
function programName(request: IncomingMessage): string {
  return (request.headers["user-agent"] ?? "unknown").split("/")[0]!.slice(0, LONGEST_MANAGER);
}

/** Bytes of a field manager's name. */
const LONGEST_MANAGER = 128;
const OPTIONS: Readonly<Record<string, string>> = { update: "UpdateOptions", patch: "PatchOptions" };

/** Throws 422 for what a write asks beside its object. */
function refuseOption(verb: string, error: FieldError): never {
  throw invalid({ group: "meta.k8s.io", resource: "options", kind: OPTIONS[verb] ?? "CreateOptions" }, "", [error]);
}

function writeOptions({ query, request, response, user, verb }: Call, repeated = NO_REPETITION): WriteOptions {
  const dryRun = query.get("dryRun");
  if (dryRun !== null && dryRun !== "All" && dryRun !== "") {
    refuseOption(verb, unsupported("dryRun", [dryRun], ["All"]));
  }
  const manager = query.get("fieldManager") ?? "";
  if (Buffer.byteLength(manager) > LONGEST_MANAGER) refuseOption(verb, tooLong("fieldManager", LONGEST_MANAGER));
  if (verb === "patch" && query.has("force") && mediaType(request) !== APPLY_PATCH)
    refuseOption(verb, forbiddenValue("force", "may not be specified for non-apply patch"));
  const validation = query.get("fieldValidation") || "Warn";
  if (validation !== "Ignore" && validation !== "Warn" && validation !== "Strict") {
    refuseOption(verb, unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]));
  }
  return {
    user,
    dryRun: dryRun === "All",
    fieldManager: manager || programName(request),
    fieldValidation: validation,
    repeated,
    warn: (text) => addWarning(response, text),
  };
}

const SHAPES = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"];
/** Subresources that show the object itself, and change a part of it. */
const OBJECT_VIEWS = ["status", EPHEMERAL_CONTAINERS.name];

/** Does what a request for a resource asks, and answers it. Throws KubeError. */
export async function handleResource(call: Call): Promise<void> {
  const { target, verb } = call;
  if (target.kind.deprecation) addWarning(call.response, target.kind.deprecation);
  if (target.kind.verbs.length === 1) return answerReview(call);
  const view = target.kind.subresources.find(({ name }) => OBJECT_VIEWS.includes(name) && name === target.subresource);
  if (target.subresource !== "" && !view) return handleSubresource(call);
  if (!(view ?? target.kind).verbs.includes(verb)) throw methodNotAllowed();
  negotiate(call.request.headers.accept, SHAPES);
  if (["list", "watch", "deletecollection"].includes(verb)) checkCounts(call.query);
  switch (verb) {
    case "get":
      checkRevision(call.api, call.query);
      return writeObject(call, 200, fromStored(target.kind, storedOf(call.api, target).object));
    case "list":
      return writeList(call, listObjects(call.api, call.pages, target.kind, target.namespace, call.query));
    case "watch":
      return watch(call);
    case "create":
      return create(call);
    case "update":
      return update(call);
    case "patch":
      return patch(call);
    case "delete":
      return remove(call);
    case "deletecollection":
      return removeAll(call);
    default:
      throw methodNotAllowed();
  }
}

/** Controllers share this process, and nobody waits for them as for the nodes. */
const PATIENT = "system:kube-controller-manager";

function watch({ api, target, query, request, response, user }: Call): void {
  const writer = watchWriter(api, target.kind, request, query);
  const isPatient = user.name === PATIENT;
  watchObjects(api, target.kind, target.namespace, target.name, query, writer, response, isPatient);
}

async function answerReview(call: Call): Promise<void> {
  const { kind } = call.target;
  const review = REVIEWS.find((entry) => entry.group === kind.group && entry.resource === kind.resource);
  if (!review || call.verb !== "create") throw methodNotAllowed();
  const body = await readValue(call.request);
  const answer = review.review(call.api, call.user, {
    kind: kind.kind,
    apiVersion: `${kind.group}/${kind.version}`,
    metadata: {} as KubeObject["metadata"],
    ...fieldsOf(body),
  });
  return writeValue(call.response, 201, negotiate(call.request.headers.accept), answer);
}

/** The object that a create or an update brings. */
async function readWritten(call: Call): Promise<ReadBody> {
  const read = await readObject(call.request);
  await getReady(call, read);
  return read;
}

/** Rules of a definition are compiled where nothing can be waited for. */
async function getReady({ api, target }: Call, { value }: ReadBody): Promise<void> {
  if (target.kind.storage === DEFINITIONS) await api.schema.loadRuleChecks(value);
}

async function create(call: Call): Promise<void> {
  if (call.target.name !== "" || (call.target.kind.namespaced && call.target.namespace === ""))
    throw methodNotAllowed();
  const { api, target } = call;
  const { value, repeated } = await readWritten(call);
  const outcome = createObject(api, target.kind, target.namespace, value, writeOptions(call, repeated));
  return writeObject(call, 201, outcome.object, outcome.warnings);
}

async function update(call: Call): Promise<void> {
  const { api, target } = call;
  const { value: body, repeated } = await readWritten(call);
  if (target.kind.createsOnUpdate && isAbsent(call)) {
    mayCreate(call);
    const { uid } = fieldsOf(fieldsOf(body).metadata);
    if (uid)
      throw conflict(
        target.kind,
        target.name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: `,
      );
    const made = createObject(api, target.kind, target.namespace, body, writeOptions(call, repeated), target.name);
    return writeObject(call, 201, made.object, made.warnings);
  }
  const outcome = updateObject(api, target, body, writeOptions(call, repeated));
  return writeObject(call, 200, outcome.object, outcome.warnings);
}

async function readPatch(call: Call): Promise<ReadBody & { readonly type: string }> {
  const type = mediaType(call.request);
  if (!PATCHES.has(type)) throw unknownMediaType();
  if (!patchTypes(call.target.kind).includes(type)) throw unsupportedMediaType(patchTypes(call.target.kind));
  const text = (await readBody(call.request)).toString("utf8");
  const isJson = type !== APPLY_PATCH || text.trimStart().startsWith("{");
  const read = isJson ? readJson(text) : await parseYaml(text);
  // what is applied is YAML, in whichever form it comes
  const isAgain = isJson && type === APPLY_PATCH && read.repeated.warned.length > 0;
  const result = { type, ...(isAgain ? await parseYaml(text) : read) };
  await getReady(call, result);
  return result;
}

/** True when there is nothing yet that the request could change. */
const isAbsent = ({ api, target: { kind, namespace, name, subresource } }: Call): boolean =>
  subresource === "" && !api.store.get(kind.storage, namespace, name);

/** An update or apply that creates needs the right to create. Throws 403. */
function mayCreate(call: Call): void {
  if (!isAbsent(call)) return;
  const { api, user, target } = call;
  const { kind, namespace, name, subresource } = target;
  const { group, version, resource } = kind;
  authorizeResource(api.store, user, "create", { group, version, resource, subresource, namespace, name });
}

async function patch(call: Call): Promise<void> {
  const { type, value, repeated } = await readPatch(call);
  const { api, target } = call;
  if (type === APPLY_PATCH) {
    mayCreate(call);
    const options = {
      ...writeOptions(call, repeated),
      fieldManager: call.query.get("fieldManager") ?? "",
      force: isTrue(call.query.get("force")),
    };
    const outcome = applyObject(api, target, value, options);
    return writeObject(call, outcome.created ? 201 : 200, outcome.object, outcome.warnings);
  }
  const outcome = patchObject(api, target, type, value, writeOptions(call, repeated));
  return writeObject(call, 200, outcome.object, outcome.warnings);
}

async function remove(call: Call): Promise<void> {
  const options = deleteOptions(await readValue(call.request), call.query);
  const result = deleteObject(call.api, call.target, options);
  if (result.kind === "Status") return writeValue(call.response, 200, { encoding: "json" }, result);
  return writeObject(call, 200, result as KubeObject);
}

async function removeAll(call: Call): Promise<void> {
  const { api, target, query } = call;
  const options = deleteOptions(await readValue(call.request), query);
  const selection = selectionOf(target.kind, query);
  const all = api.store.list(target.kind.storage, target.namespace === "" ? undefined : target.namespace);
  const chosen = all.filter((stored) => selection.matches(fromStored(target.kind, stored.object)));
  for (const { object } of chosen) {
    const { name, namespace = "" } = object.metadata;
    if (api.store.get(target.kind.storage, namespace, name)) deleteObject(api, { ...target, namespace, name }, options);
  }
  return writeList(call, { items: chosen, revision: api.store.revision });
}

async function handleSubresource(call: Call): Promise<void> {
  const { api, target, verb, query, request, response } = call;
  const entry = target.kind.subresources.find((sub) => sub.name === target.subresource);
  if (!entry?.verbs.includes(verb)) throw methodNotAllowed();
  switch (target.subresource) {
    case "scale":
      return scale(call);
    case "log":
      return proxyLog(api, target, query, response);
    case "exec":
    case "attach":
    case "portforward":
      throw badRequest("Upgrade request required");
    default:
      break;
  }
  if (target.subresource !== "finalize") storedOf(api, target);
  const body = await readValue(request);
  const json = { encoding: "json" } as const;
  switch (target.subresource) {
    case "binding":
      return writeValue(response, 201, json, bindPod(api, target, body, writeOptions(call)));
    case "eviction":
      return writeValue(response, 201, json, evictPod(api, target, body, { query, options: writeOptions(call) }));
    case "finalize":
      return writeValue(response, 200, json, finalizeNamespace(api, target, body, writeOptions(call)));
    case "token":
      return writeValue(response, 201, json, requestToken(api, target, body));
    default:
      throw notFound(target.kind, target.name);
  }
}

async function scale(call: Call): Promise<void> {
  const { api, target, verb, request, response } = call;
  const format = negotiate(request.headers.accept);
  if (verb === "get") return writeValue(response, 200, format, getScale(api, target));
  const options = writeOptions(call);
  if (verb === "update") {
    const wanted = await readValue(request);
    if (!isFields(wanted)) throw badRequest("the body of the request must be a Scale");
    return writeValue(
      response,
      200,
      format,
      replaceScale(api, target, options, () => ({ metadata: {}, ...wanted }) as KubeObject),
    );
  }
  const { type, value } = await readPatch(call);
  if (type === APPLY_PATCH)
    throw unsupportedMediaType(patchTypes(target.kind).filter((known) => known !== APPLY_PATCH));
  const change = (copy: KubeObject) => patched(target.kind, type, value, copy);
  return writeValue(response, 200, format, replaceScale(api, target, options, change));
}
