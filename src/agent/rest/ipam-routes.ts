import type { IpamResponse } from "../api.ts";
import { type Answer, type ApiCall, notACall, objectBody, text } from "./request.ts";

export interface IpamCalls {
  allocateAddress(owner: string): IpamResponse;
  releaseAddress(address: string): void;
}

/** `/ipam`: what a CNI plugin asks first and last. */
export async function ipamRoutes(calls: IpamCalls, call: ApiCall): Promise<Answer> {
  const [address] = call.rest;
  if (call.method === "POST" && address === undefined)
    return [201, calls.allocateAddress(text(await objectBody(call), "owner"))];
  if (call.method === "DELETE" && address !== undefined) {
    calls.releaseAddress(address);
    return [200, {}];
  }
  throw notACall(call, "ipam");
}
