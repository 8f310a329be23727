import type { ServiceExplanation, SourceExplanation } from "./explanation.ts";

/** The answer in one sentence. */
export function verdictOf(
  { service, endpoint, refused, sources, merged, nodes }: ServiceExplanation,
  all: readonly SourceExplanation[],
): string {
  const what = endpoint === "" ? service : `${endpoint} of ${service}`;
  if (refused !== "") return `Proxies are not told of ${service}: ${refused}.`;
  const hold = sources.find((each) => each.hold !== null)?.hold;
  if (merged.length === 0) {
    if (endpoint === "") return `${service} is known and has no endpoints.`;
    return hold === undefined || hold === null
      ? `${what} is reported and left out: it is not an IP address and a port, or another source speaks for it.`
      : `${what} is not told to proxies: ${hold.reason}.`;
  }
  const held = merged.filter((each) => each.held).length;
  const doubt =
    held === 0
      ? ""
      : ` ${held === merged.length ? "It is" : `${held} of its endpoints are`} kept although its source no longer says so${hold ? ` (${hold.reason})` : ""}.`;
  const stale = all.filter(
    ({ name, error }) => error !== "" && sources.some(({ source }) => source === name),
  );
  const old = stale.map(({ name, error }) => ` Source ${name} cannot be read: ${error}.`).join("");
  return `${what} ${reach(nodes)}.${doubt}${old}`;
}

function reach(nodes: ServiceExplanation["nodes"]): string {
  const concerned = nodes.filter(({ clusters }) => clusters.some(({ endpoints }) => endpoints > 0));
  if (nodes.length === 0) return "is known, and no proxy is connected";
  if (concerned.length === 0) return "is known, and none of the connected proxies is to have it";
  const rejected = concerned.find(({ clusters }) => clusters.some(({ state }) => state === "rejected"));
  if (rejected !== undefined) {
    const { detail } = rejected.clusters.find(({ state }) => state === "rejected")!;
    return `is rejected by ${rejected.node}: ${detail}`;
  }
  const late = concerned.filter(({ clusters }) => clusters.some(({ state }) => state !== "accepted"));
  if (late.length === 0)
    return concerned.length === 1
      ? "is with the one proxy that is to have it"
      : `is with all ${concerned.length} proxies that are to have it`;
  const { node, clusters } = late[0]!;
  const { detail } = clusters.find(({ state }) => state !== "accepted")!;
  return `is with ${concerned.length - late.length} of ${concerned.length} proxies; ${node}: ${detail}`;
}
