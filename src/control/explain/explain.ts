import { isIP } from "node:net";
import type { AdsSession } from "../xds/ads-session.ts";
import type { CatalogStore, SourceTrace } from "../catalog/catalog-store.ts";
import { endpointAddress, type Endpoint } from "../model.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { SourceNotes } from "../catalog/source-notes.ts";
import type { Explanation, MergedEndpoint, PartExplanation, ServiceExplanation } from "./explanation.ts";
import { explainNode } from "./explain-node.ts";
import { verdictOf } from "./verdict.ts";

/** Where the answers come from. */
export interface ExplainParts {
  readonly catalog: CatalogStore;
  readonly sessions: readonly AdsSession[];
  readonly policy: MeshPolicy;
  /** By source. */
  readonly notes: ReadonlyMap<string, SourceNotes>;
  /** Wall clock, milliseconds. */
  readonly now: number;
}

interface Found {
  readonly service: string;
  /** "" = all endpoints. */
  readonly endpoint: string;
}

/**
 * Follows a service (`users`), an endpoint (`10.0.0.1:80`, `10.0.0.1`) or what its source calls it (a pod, a container)
 * from its sources through holds and merging to each proxy.
 */
export function explain(query: string, parts: ExplainParts): Explanation {
  const { catalog, notes, now } = parts;
  const sources = catalog.reports().map(({ name, lastSuccess, error }) => ({
    name,
    age_seconds: lastSuccess === 0 ? null : Math.max(0, Math.round((now - lastSuccess) / 1000)),
    error,
  }));
  const leftOut = [...notes].flatMap(([source, of]) => of.about(query).map((note) => ({ source, ...note })));
  const services = find(query, catalog).map((found) => explainService(found, parts));
  return {
    query,
    verdicts:
      services.length === 0
        ? [unknown(query, sources, leftOut)]
        : services.map((service) => verdictOf(service, sources)),
    sources,
    services,
    left_out: leftOut,
  };
}

function find(query: string, catalog: CatalogStore): Found[] {
  const found: Found[] = [];
  for (const service of catalog.knownServices) {
    if (service === query) return [{ service, endpoint: "" }];
    const endpoints = new Map<string, Endpoint>();
    for (const { reported = [], believed = [] } of catalog.trace(service))
      for (const each of [...believed, ...reported]) endpoints.set(endpointAddress(each), each);
    for (const [address, endpoint] of endpoints)
      if (isMeant(query, address, endpoint)) found.push({ service, endpoint: address });
  }
  return found;
}

function isMeant(query: string, address: string, { ip, metadata }: Endpoint): boolean {
  if (address === query || (isIP(query) !== 0 && ip === query)) return true;
  return Object.values(metadata).some((value) => value === query);
}

function explainService({ service, endpoint }: Found, parts: ExplainParts): ServiceExplanation {
  const { catalog, sessions, policy } = parts;
  const trace = catalog.trace(service);
  const endpoints = catalog.catalog.get(service) ?? [];
  const merged = endpoints
    .map((each): MergedEndpoint => {
      const address = endpointAddress(each);
      const said = trace.find(({ source }) => source === each.source)?.reported;
      return { ...each, address, held: !(said ?? []).some((one) => endpointAddress(one) === address) };
    })
    .filter(({ address }) => endpoint === "" || address === endpoint);
  return {
    service,
    endpoint,
    refused: catalog.refusal(service) ?? "",
    sources: trace.filter(isConcerned).map((part) => explainPart(part, endpoint)),
    merged,
    nodes: sessions.map((session) => explainNode(session, service, endpoint, policy, endpoints)),
  };
}

function isConcerned({ reported, believed }: SourceTrace): boolean {
  return reported !== undefined || believed !== undefined;
}

function explainPart({ source, reported, believed, hold }: SourceTrace, endpoint: string): PartExplanation {
  const addresses = (list: readonly Endpoint[] | undefined) =>
    list?.map(endpointAddress).filter((address) => endpoint === "" || address === endpoint) ?? null;
  return { source, reported: addresses(reported), believed: addresses(believed), hold: hold ?? null };
}

function unknown(query: string, sources: Explanation["sources"], leftOut: Explanation["left_out"]): string {
  const [first] = leftOut;
  if (first !== undefined) return `${first.subject} is left out by source ${first.source}: ${first.reason}.`;
  const blind = sources.filter(({ error, age_seconds: age }) => error !== "" || age === null);
  if (blind.length === 0) return `No source knows "${query}".`;
  const names = blind.map(({ name, error }) => `${name} (${error || "never read"})`).join(", ");
  return `No source knows "${query}", but not all of them can be read: ${names}.`;
}
