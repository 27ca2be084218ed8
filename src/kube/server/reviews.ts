import { fieldsOf, type KubeObject, listOf } from "../object.ts";
import { TOKEN_ISSUER, tokenUser } from "./authentication.ts";
import { isPowerful, mayAccess, mayReadPath } from "./authorization.ts";
import type { Api, User } from "./context.ts";

type Review = (api: Api, user: User, body: KubeObject) => KubeObject;

const EVERYTHING =
  "the lab's rule: administrators, nodes, control plane parts and kube-system's accounts may do everything";
const NOTHING = "the lab grants other users no access: RBAC objects are stored, they do not take part";

function decide(user: User, spec: Record<string, unknown>): Record<string, unknown> {
  const path = fieldsOf(spec.nonResourceAttributes).path;
  const resource = String(fieldsOf(spec.resourceAttributes).resource ?? "");
  const allowed = typeof path === "string" ? mayReadPath(user, path) : mayAccess(user, resource);
  return { allowed, reason: allowed ? EVERYTHING : NOTHING };
}

function reviewedUser(spec: Record<string, unknown>): User {
  return { name: String(spec.user ?? ""), groups: listOf(spec.groups).map(String) };
}

const reviewAccess: Review = (_api, _user, body) => {
  const spec = fieldsOf(body.spec);
  return { ...body, status: decide(reviewedUser(spec), spec) };
};

const reviewOwnAccess: Review = (_api, user, body) => ({ ...body, status: decide(user, fieldsOf(body.spec)) });

const reviewOwnRules: Review = (_api, user, body) => {
  const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  const own = {
    verbs: ["create"],
    apiGroups: ["authorization.k8s.io", "authentication.k8s.io"],
    resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"],
  };
  const reading = {
    verbs: ["get"],
    nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/api/*", "/apis/*"],
  };
  const powerful = isPowerful(user);
  return {
    ...body,
    status: {
      resourceRules: powerful ? [all] : [own],
      nonResourceRules: powerful ? [{ verbs: ["*"], nonResourceURLs: ["*"] }] : [reading],
      incomplete: false,
    },
  };
};

const whoAmI: Review = (_api, user, body) => ({
  ...body,
  status: { userInfo: { username: user.name, groups: user.groups, ...(user.uid ? { uid: user.uid } : {}) } },
});

const reviewToken: Review = (api, _user, body) => {
  const token = String(fieldsOf(body.spec).token ?? "");
  const found = tokenUser(api.tokens, api.store, token, api.now());
  const status = found
    ? {
        authenticated: true,
        user: { username: found.name, groups: found.groups, uid: found.uid },
        audiences: [TOKEN_ISSUER],
      }
    : { authenticated: false, error: "the token is not one of this cluster, or is over" };
  return { ...body, status };
};

export interface ReviewKind {
  readonly group: string;
  readonly kind: string;
  readonly resource: string;
  readonly review: Review;
}

/** Resources that answer a question at creation and store nothing. */
export const REVIEWS: readonly ReviewKind[] = [
  {
    group: "authorization.k8s.io",
    kind: "SubjectAccessReview",
    resource: "subjectaccessreviews",
    review: reviewAccess,
  },
  {
    group: "authorization.k8s.io",
    kind: "SelfSubjectAccessReview",
    resource: "selfsubjectaccessreviews",
    review: reviewOwnAccess,
  },
  {
    group: "authorization.k8s.io",
    kind: "SelfSubjectRulesReview",
    resource: "selfsubjectrulesreviews",
    review: reviewOwnRules,
  },
  { group: "authentication.k8s.io", kind: "TokenReview", resource: "tokenreviews", review: reviewToken },
  { group: "authentication.k8s.io", kind: "SelfSubjectReview", resource: "selfsubjectreviews", review: whoAmI },
];
