import { expect, test } from "vitest";
import { pathTemplate } from "./http-exchanges.ts";

test.each([
  ["/api/v1/namespaces/default/pods/xwing", "/api/v1/namespaces/{namespace}/pods/{name}"],
  ["/api/v1/namespaces/default/pods/xwing/status?x=1", "/api/v1/namespaces/{namespace}/pods/{name}/status"],
  ["/api/v1/namespaces/default/pods?watch=true", "/api/v1/namespaces/{namespace}/pods"],
  ["/api/v1/namespaces/default", "/api/v1/namespaces/{name}"],
  ["/api/v1/pods", "/api/v1/pods"],
  ["/apis/cilium.io/v2/ciliumidentities/4711", "/apis/cilium.io/v2/ciliumidentities/{name}"],
  ["/version", "/version"],
])("the path %s counts as %s", (path, template) => {
  expect(pathTemplate(path)).toBe(template);
});
