import type { Host } from "../../api.ts";

type Locality = Host["locality"];

/** Text that identifies a locality. */
export function localityKey({ region, zone, subZone }: Locality): string {
  return `${region}\n${zone}\n${subZone}`;
}

/** Hosts by the key of their locality, in the order in which localities come. */
export function groupByLocality<T extends Pick<Host, "locality">>(hosts: Iterable<T>): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const host of hosts) {
    const key = localityKey(host.locality);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [host]);
    else group.push(host);
  }
  return groups;
}
