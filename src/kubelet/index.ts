export { type Kubelet, startKubelet } from "./kubelet.ts";
export type { KubeletNode, KubeletOptions, KubeletTls } from "./options.ts";
