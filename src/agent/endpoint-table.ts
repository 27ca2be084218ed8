import { addressesOf, type Endpoint } from "./endpoint.ts";

/** The endpoints of this node by every name that callers know them under. */
export class EndpointTable {
  private readonly byId = new Map<number, Endpoint>();
  private readonly byContainer = new Map<string, Endpoint>();
  private readonly byAddress = new Map<string, Endpoint>();

  add(endpoint: Endpoint): void {
    this.byId.set(endpoint.id, endpoint);
    this.byContainer.set(endpoint.request.containerId, endpoint);
    for (const address of addressesOf(endpoint.request)) this.byAddress.set(address, endpoint);
  }

  remove(endpoint: Endpoint): void {
    if (this.byId.get(endpoint.id) !== endpoint) return;
    this.byId.delete(endpoint.id);
    this.byContainer.delete(endpoint.request.containerId);
    for (const address of addressesOf(endpoint.request)) this.byAddress.delete(address);
  }

  has(endpoint: Endpoint): boolean {
    return this.byId.get(endpoint.id) === endpoint;
  }

  isTaken(id: number): boolean {
    return this.byId.has(id);
  }

  get(id: number): Endpoint | undefined {
    return this.byId.get(id);
  }

  ofContainer(containerId: string): Endpoint | undefined {
    return this.byContainer.get(containerId);
  }

  atAddress(address: string): Endpoint | undefined {
    return this.byAddress.get(address);
  }

  get size(): number {
    return this.byId.size;
  }

  /** In ascending order of id. */
  all(): readonly Endpoint[] {
    return [...this.byId.values()].sort((a, b) => a.id - b.id);
  }
}
