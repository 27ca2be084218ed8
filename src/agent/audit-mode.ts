import type { Datapath } from "../datapath/port.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { ApiError } from "./rest/request.ts";

/**
 * Which endpoints only report what policy denies. It stays with an endpoint in the kernel, also over a restart of the agent;
 * what new endpoints get is forgotten then, as the field's agent forgets what was changed at run time.
 */
export class AuditMode {
  private readonly datapath: Pick<Datapath, "setAudit" | "auditedEndpoints">;
  private readonly table: EndpointTable;
  private isDefault = false;

  constructor(datapath: AuditMode["datapath"], table: EndpointTable) {
    this.datapath = datapath;
    this.table = table;
  }

  /** What new endpoints get. */
  get isOn(): boolean {
    return this.isDefault;
  }

  /** For new endpoints, and for all that there are. */
  setAll(isOn: boolean): void {
    this.isDefault = isOn;
    for (const { id, attached } of this.table.all()) if (attached) this.datapath.setAudit(id, isOn);
  }

  /** Throws ApiError 404 when there is no such endpoint, or when it is the node's own. */
  set(id: number, isOn: boolean): void {
    if (this.table.get(id)?.attached !== true)
      throw new ApiError(404, `endpoint ${id} is none of this node that has audit mode`);
    this.datapath.setAudit(id, isOn);
  }

  /** A new endpoint stands in the datapath; it is still closed. */
  begin(id: number): void {
    if (this.isDefault) this.datapath.setAudit(id, true);
  }

  audited(): ReadonlySet<number> {
    return this.datapath.auditedEndpoints();
  }
}
