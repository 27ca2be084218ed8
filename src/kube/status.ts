/** One thing that is wrong with one field. `reason` is a Kubernetes cause: FieldValueInvalid, FieldValueRequired … */
export interface FieldError {
  readonly field: string;
  readonly reason: string;
  readonly message: string;
}

interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The wire form of a `Status` object. */
export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Record<string, never>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code?: number;
}

/** A failed API call: what the server throws and what the client gives back. `reason` is the Status reason. */
export class KubeError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = "KubeError";
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The Status object that says this error on the wire. */
  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }
}

/** What an error is about: a resource's plural (for most) or its kind (for Invalid), and its group. */
export interface Subject {
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
}

function qualified(word: string, group: string): string {
  return group === "" ? word : `${word}.${group}`;
}

/** 404: the object is not there. */
export function notFound(subject: Subject, name: string): KubeError {
  const message = `${qualified(subject.resource, subject.group)} "${name}" not found`;
  return new KubeError(404, "NotFound", message, { name, ...named(subject.group), kind: subject.resource });
}

function named(group: string): { group?: string } {
  return group === "" ? {} : { group };
}

/** 404: no such path. */
export function pathNotFound(): KubeError {
  return new KubeError(404, "NotFound", "the server could not find the requested resource", {});
}

/** 409: the name is taken. */
export function alreadyExists(subject: Subject, name: string): KubeError {
  const message = `${qualified(subject.resource, subject.group)} "${name}" already exists`;
  return new KubeError(409, "AlreadyExists", message, { name, ...named(subject.group), kind: subject.resource });
}

/** 409: the caller's copy is old, or a precondition does not hold. */
export function conflict(subject: Subject, name: string, why?: string): KubeError {
  const cause = why ?? "the object has been modified; please apply your changes to the latest version and try again";
  const message = `Operation cannot be fulfilled on ${qualified(subject.resource, subject.group)} "${name}": ${cause}`;
  return new KubeError(409, "Conflict", message, { name, ...named(subject.group), kind: subject.resource });
}

/** 422: the object breaks rules; one cause a field. */
export function invalid(subject: Subject, name: string, errors: readonly FieldError[]): KubeError {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const said = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return new KubeError(422, "Invalid", `${qualified(subject.kind, subject.group)} "${name}" is invalid: ${said}`, {
    ...(name === "" ? {} : { name }),
    ...named(subject.group),
    ...(subject.kind === "" ? {} : { kind: subject.kind }),
    causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
  });
}

/** 403: admission or authorization says no; `why` completes the sentence. */
export function forbidden(subject: Subject, name: string, why: string): KubeError {
  const about = qualified(subject.resource, subject.group);
  const message = name === "" ? `${about} is forbidden: ${why}` : `${about} "${name}" is forbidden: ${why}`;
  return new KubeError(403, "Forbidden", message, { name, ...named(subject.group), kind: subject.resource });
}

/** 400: the request cannot be understood. */
export function badRequest(message: string): KubeError {
  return new KubeError(400, "BadRequest", message);
}

/** 401: no credentials, or wrong ones. */
export function unauthorized(): KubeError {
  return new KubeError(401, "Unauthorized", "Unauthorized");
}

/** 405: the resource exists, the verb does not. */
export function methodNotAllowed(): KubeError {
  return new KubeError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

/** 406: no format that the client accepts is served here. */
export function notAcceptable(accepted: readonly string[]): KubeError {
  const message = `only the following media types are accepted: ${accepted.join(", ")}`;
  return new KubeError(406, "NotAcceptable", message);
}

/** 415: no server reads the body's format. */
export const unknownMediaType = (): KubeError =>
  new KubeError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});

/** 415: the body's format is not read here. */
export function unsupportedMediaType(accepted: readonly string[]): KubeError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`;
  return new KubeError(415, "UnsupportedMediaType", message);
}

/** 410: the resourceVersion is older than the history kept; list again. */
export function expired(message: string): KubeError {
  return new KubeError(410, "Expired", message);
}

/** 500: our fault. */
export function internalError(message: string): KubeError {
  return new KubeError(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
}

/** 503 or 502: a node or another part does not answer. */
export function unavailable(message: string, code = 503): KubeError {
  return new KubeError(code, "ServiceUnavailable", message);
}
