export type { KubeObject, ObjectMeta, OwnerReference } from "../object.ts";
export * from "../resources.ts";
export { KubeError } from "../status.ts";
export type {
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  PatchOptions,
  WatchEvent,
  WatchOptions,
} from "./client.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export {
  createInformer,
  type Informer,
  type InformerHandler,
  type InformerOptions,
  type ListWatchClient,
} from "./informer.ts";
export { type Credentials, readKubeconfig } from "./kubeconfig.ts";
