/** What reads the objects of a cluster, a bundle of its own: `policy.ts` loads it where a cluster is asked for. */
export { readCluster } from "./policy/cluster-source.ts";
