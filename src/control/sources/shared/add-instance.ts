import type { Endpoint } from "../../model.ts";
import type { HostAddresses } from "./host-addresses.ts";
import { endpointWith, type ServiceMap } from "./service-map.ts";

/** Endpoint fields of an instance whose host may be a name. */
export type HostInstance = { readonly host: string; readonly port: number } & Partial<
  Omit<Endpoint, "ip" | "port">
>;

/** Adds an instance, or counts it as unreadable when it has no port or no address can be found. */
export async function addInstance(
  services: ServiceMap,
  service: string,
  { host, ...rest }: HostInstance,
  hosts: HostAddresses,
): Promise<void> {
  const validPort = Number.isInteger(rest.port) && rest.port > 0 && rest.port < 65_536;
  const addresses = validPort ? await hosts.of(host) : [];
  if (addresses.length === 0) services.addUnreadable(service);
  for (const ip of addresses) services.add(service, endpointWith({ ip, ...rest }));
}
