export { type Kubelet, startKubelet } from "./kubelet.ts";
export type { KubeletNode, KubeletOptions, KubeletTls } from "./options.ts";
export { hostProcessOf, type Pod } from "./pod.ts";
export { refusalsOf, remarksOn, remarkText } from "./support.ts";
