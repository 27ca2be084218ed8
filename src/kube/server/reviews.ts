import { type Fields, fieldsOf, type KubeObject, listOf } from "../object.ts";
import { TOKEN_ISSUER, tokenUser } from "./authentication.ts";
import { isPowerful, reasonToAllow } from "./authorization.ts";
import type { Api, User } from "./context.ts";
import { type Attributes, Rbac } from "./rbac.ts";

type Review = (api: Api, user: User, body: KubeObject) => KubeObject;

function attributesOf(spec: Fields): Attributes {
  const path = fieldsOf(spec.nonResourceAttributes);
  if (typeof path.path === "string") return { verb: String(path.verb ?? ""), path: path.path };
  const { verb, group, resource, subresource, namespace, name } = fieldsOf(spec.resourceAttributes);
  return {
    verb: String(verb ?? ""),
    group: String(group ?? ""),
    resource: String(resource ?? ""),
    subresource: String(subresource ?? ""),
    namespace: String(namespace ?? ""),
    name: String(name ?? ""),
  };
}

function decide(api: Api, user: User, spec: Fields): Fields {
  const reason = reasonToAllow(api.store, user, attributesOf(spec));
  return reason === undefined ? { allowed: false } : { allowed: true, reason };
}

function reviewedUser(spec: Fields): User {
  return { name: String(spec.user ?? ""), groups: listOf(spec.groups).map(String) };
}

const reviewAccess: Review = (api, _user, body) => {
  const spec = fieldsOf(body.spec);
  return { ...body, status: decide(api, reviewedUser(spec), spec) };
};

const reviewOwnAccess: Review = (api, user, body) => ({ ...body, status: decide(api, user, fieldsOf(body.spec)) });

const reviewOwnRules: Review = (api, user, body) => {
  const namespace = String(fieldsOf(body.spec).namespace ?? "");
  const all = [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ];
  const rules = isPowerful(user) ? all : [...new Rbac(api.store).grantsOf(user, namespace)].map(({ rule }) => rule);
  const isPath = (rule: Fields) => listOf(rule.nonResourceURLs).length > 0;
  return {
    ...body,
    status: {
      resourceRules: rules.filter((rule) => !isPath(rule)),
      nonResourceRules: rules.filter(isPath),
      incomplete: false,
    },
  };
};

function userInfo({ name, groups, uid, extra }: User): Fields {
  return { username: name, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

const whoAmI: Review = (_api, user, body) => ({ ...body, status: { userInfo: userInfo(user) } });

/** Says whose token it is, if it was made for one of the audiences asked for; without any, for this server. */
const reviewToken: Review = (api, _user, body) => {
  const { token, audiences } = fieldsOf(body.spec);
  const asked = listOf(audiences).map(String);
  const wanted = asked.length > 0 ? asked : [TOKEN_ISSUER];
  const found = tokenUser(api.tokens, api.store, String(token ?? ""), api.now(), wanted);
  const status = found
    ? { authenticated: true, user: userInfo(found), audiences: found.audiences }
    : { authenticated: false, error: "the token is not one of this cluster, for another audience, or over" };
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
    kind: "LocalSubjectAccessReview",
    resource: "localsubjectaccessreviews",
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
