export { alignTabs } from "../../flow/print/index.ts";
