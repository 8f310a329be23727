import { isIP } from "node:net";
import { duration, socketAddress, type JsonFields } from "./envoy-json.ts";

/** A cluster of one fixed address. */
export function addressCluster(name: string, address: string, connectTimeoutMs: number): JsonFields {
  const endpoint = { endpoint: { address: socketAddress(address) } };
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return {
    name,
    type: isIP(host) === 0 ? "STRICT_DNS" : "STATIC",
    connect_timeout: duration(connectTimeoutMs),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}
