import { describeDatapath } from "../../src/datapath/contract.ts";
import { createEbpfDatapath } from "../../src/datapath/ebpf/datapath.ts";
import { objectPath, openSurroundings } from "./datapath-surroundings.ts";

describeDatapath("ebpf", async () => {
  const surroundings = openSurroundings();
  const datapath = createEbpfDatapath({ pinDirectory: surroundings.pinDirectory, objectPath });
  return {
    datapath,
    addInterface: surroundings.addInterface,
    close() {
      datapath.close();
      surroundings.close();
    },
  };
});
