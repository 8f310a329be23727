import { Cidr, isLoopback, parseIp } from "../../base/cidr.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { ListenerFacts } from "../api.ts";
import type { ConnectionInfo } from "../stream-info.ts";

type Config = Messages["envoy.config.listener.v3.FilterChainMatch"];
type CidrRange = Messages["envoy.config.core.v3.CidrRange"];

const SAME_IP_OR_LOOPBACK = 1;
const EXTERNAL = 2;

/** How well one criterion fits: -1 = not at all, 0 = it does not ask, more = the more specific. */
type Criterion = (facts: Facts) => number;

interface Facts {
  readonly localPort: number;
  readonly localIp: Uint8Array | undefined;
  readonly directIp: Uint8Array | undefined;
  readonly remoteIp: Uint8Array | undefined;
  readonly remotePort: number;
  readonly sameIp: boolean;
  readonly found: ListenerFacts;
}

/** Criteria of one filter chain, in the order in which Envoy looks at them. */
export interface CompiledMatch {
  readonly criteria: readonly Criterion[];
  /** Equal for matches that could not be told apart. */
  readonly key: string;
}

/** What holds for connections that no listener filter looked at. */
export const NOTHING_FOUND: ListenerFacts = Object.freeze({
  serverName: "",
  transportProtocol: "raw_buffer",
  applicationProtocols: [],
});

/** Throws an Error with Envoy's text for server names that it does not take. */
export function compileFilterChainMatch(match: Config | undefined): CompiledMatch {
  const sources = match?.sourcePorts ?? [];
  return {
    criteria: [
      (facts) => asked(match?.destinationPort === undefined, match?.destinationPort === facts.localPort),
      prefixes(match?.prefixRanges ?? [], (facts) => facts.localIp),
      serverNames(match?.serverNames ?? []),
      ({ found }) =>
        asked((match?.transportProtocol ?? "") === "", match?.transportProtocol === found.transportProtocol),
      protocols(match?.applicationProtocols ?? []),
      prefixes(match?.directSourcePrefixRanges ?? [], (facts) => facts.directIp),
      (facts) => sourceType(match?.sourceType ?? 0, facts.sameIp),
      prefixes(match?.sourcePrefixRanges ?? [], (facts) => facts.remoteIp),
      (facts) => asked(sources.length === 0, sources.includes(facts.remotePort)),
    ],
    key: match === undefined ? "" : matchKey(match),
  };
}

/**
 * The chain for a connection: criterion by criterion, chains that do not fit or fit less specifically than another fall
 * out, without going back (Envoy's filter_chain_match). Undefined when none is left.
 */
export function findFilterChain<C extends { readonly match: CompiledMatch }>(
  chains: readonly C[],
  info: ConnectionInfo,
  found: ListenerFacts = NOTHING_FOUND,
): C | undefined {
  const only = chains[0];
  if (chains.length === 1 && only!.match.key === "") return only;
  const facts = factsOf(info, found);
  let left = chains;
  for (let step = 0; left.length > 0 && step < left[0]!.match.criteria.length; step++) {
    let best = 0;
    const scores = left.map((chain) => chain.match.criteria[step]!(facts));
    for (const score of scores) best = Math.max(best, score);
    left = left.filter((_, i) => scores[i] === best);
  }
  return left[0];
}

function factsOf(info: ConnectionInfo, found: ListenerFacts): Facts {
  const colon = info.remoteAddress.lastIndexOf(":");
  return {
    localPort: info.localPort,
    localIp: parseIp(info.localIp),
    directIp: parseIp(info.directRemoteIp),
    remoteIp: parseIp(info.remoteIp),
    remotePort: Number(info.remoteAddress.slice(colon + 1)),
    sameIp: info.remoteIp === info.localIp || isLoopback(info.remoteIp),
    found,
  };
}

function asked(unset: boolean, fits: boolean): number {
  return unset ? 0 : fits ? 1 : -1;
}

/** An exact name is better than any wildcard, a longer wildcard better than a shorter one. */
function serverNames(names: readonly string[]): Criterion {
  if (names.length === 0) return () => 0;
  const exact = new Set<string>();
  const suffixes: string[] = [];
  for (const name of names.map((each) => each.toLowerCase())) {
    if (name.startsWith("*.")) suffixes.push(name.slice(1));
    else exact.add(name);
    if (name.slice(1).includes("*") || (name.startsWith("*") && !name.startsWith("*.")))
      throw new Error(
        `error adding listener: partial wildcards are not supported in "server_names", got "${name}"`,
      );
  }
  return ({ found: { serverName } }) => {
    if (serverName === "") return -1;
    if (exact.has(serverName)) return Number.MAX_SAFE_INTEGER;
    let best = -1;
    for (const suffix of suffixes)
      if (serverName.endsWith(suffix) && serverName.length > suffix.length)
        best = Math.max(best, suffix.length);
    return best;
  };
}

/** The protocol that the client names first decides. */
function protocols(names: readonly string[]): Criterion {
  if (names.length === 0) return () => 0;
  return ({ found: { applicationProtocols } }) => {
    const index = applicationProtocols.findIndex((name) => names.includes(name));
    return index < 0 ? -1 : Number.MAX_SAFE_INTEGER - index;
  };
}

function sourceType(wanted: number, sameIp: boolean): number {
  if (wanted === SAME_IP_OR_LOOPBACK) return sameIp ? 1 : -1;
  if (wanted === EXTERNAL) return sameIp ? -1 : 1;
  return 0;
}

function prefixes(ranges: readonly CidrRange[], read: (facts: Facts) => Uint8Array | undefined): Criterion {
  if (ranges.length === 0) return () => 0;
  const blocks = ranges.map((range) => Cidr.of(range.addressPrefix, range.prefixLen ?? 0));
  return (facts) => {
    const ip = read(facts);
    let best = -1;
    if (ip !== undefined)
      for (const block of blocks) if (block.contains(ip)) best = Math.max(best, 1 + block.bits);
    return best;
  };
}

function matchKey(match: Config): string {
  const ranges = (list: readonly CidrRange[]): string =>
    list.map((range) => `${range.addressPrefix}/${range.prefixLen ?? 0}`).join();
  const key = [
    match.destinationPort ?? "",
    ranges(match.prefixRanges),
    match.transportProtocol,
    match.serverNames.join(),
    match.applicationProtocols.join(),
    ranges(match.directSourcePrefixRanges),
    match.sourceType || "",
    ranges(match.sourcePrefixRanges),
    match.sourcePorts.join(),
  ].join("|");
  return /^\|*$/.test(key) ? "" : key;
}
