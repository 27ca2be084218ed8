import { fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { badRequest, invalid } from "../../status.ts";
import { type Api, fromStored, type WriteOptions } from "../context.ts";
import { replaceObject, storedOf, type Target } from "../verbs/replace.ts";

function selectorText(selector: unknown): string {
  const labels = Object.entries(fieldsOf(fieldsOf(selector).matchLabels));
  return labels.map(([key, value]) => `${key}=${String(value)}`).join(",");
}

/** An object's autoscaling/v1 Scale. */
function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = fieldsOf(object.spec);
  const status = fieldsOf(object.status);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as KubeObject["metadata"],
    spec: { replicas: Number(spec.replicas ?? 0) },
    status: { replicas: Number(status.replicas ?? 0), selector: selectorText(spec.selector) },
  };
}

/** GET …/scale. */
export function getScale(api: Api, target: Target): KubeObject {
  return scaleOf(fromStored(target.kind, storedOf(api, target).object));
}

/** PUT and PATCH …/scale: `change` makes the wanted Scale of the present one. Throws 409, 422. */
export function replaceScale(
  api: Api,
  target: Target,
  options: WriteOptions,
  change: (scale: KubeObject) => KubeObject,
): KubeObject {
  const whole = { ...target, subresource: "" };
  const scaled = (copy: KubeObject): KubeObject => {
    const wanted = change(scaleOf(copy));
    const replicas = fieldsOf(wanted.spec).replicas ?? 0;
    if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0) {
      throw invalid({ group: "autoscaling", resource: "scales", kind: "Scale" }, target.name, [
        {
          field: "spec.replicas",
          reason: "FieldValueInvalid",
          message: `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
        },
      ]);
    }
    if (!isFields(copy.spec)) throw badRequest("the object has no spec to scale");
    copy.spec.replicas = replicas;
    if (wanted.metadata.resourceVersion) copy.metadata.resourceVersion = wanted.metadata.resourceVersion;
    return copy;
  };
  return scaleOf(replaceObject(api, whole, options, scaled, { through: "scale" }).object);
}
