import type { Datapath } from "../datapath/port.ts";
import type { EndpointOptions } from "./api.ts";
import { ApiError } from "./api-server.ts";
import type { EndpointTable } from "./endpoint-table.ts";

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

  get options(): EndpointOptions {
    return { PolicyAuditMode: this.isDefault };
  }

  /** For new endpoints, and for all that there are. */
  setAll({ PolicyAuditMode }: EndpointOptions): void {
    this.isDefault = PolicyAuditMode;
    for (const { id, attached } of this.table.all()) if (attached) this.datapath.setAudit(id, PolicyAuditMode);
  }

  /** Throws ApiError 404 when there is no such endpoint. */
  optionsOf(id: number): EndpointOptions {
    this.mustExist(id);
    return { PolicyAuditMode: this.audited().has(id) };
  }

  set(id: number, { PolicyAuditMode }: EndpointOptions): EndpointOptions {
    this.mustExist(id);
    this.datapath.setAudit(id, PolicyAuditMode);
    return this.optionsOf(id);
  }

  /** A new endpoint stands in the datapath; it is still closed. */
  begin(id: number): void {
    if (this.isDefault) this.datapath.setAudit(id, true);
  }

  audited(): ReadonlySet<number> {
    return this.datapath.auditedEndpoints();
  }

  private mustExist(id: number): void {
    if (this.table.get(id)?.attached !== true) throw new ApiError(404, `no endpoint ${id} on this node`);
  }
}
