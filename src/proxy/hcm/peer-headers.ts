import { isLoopback } from "../../base/cidr.ts";
import { HeaderLine } from "../../http/header-line.ts";
import { knownHeaderId } from "../../http/header-name.ts";

const FORWARDED_FOR = knownHeaderId("x-forwarded-for");
const EXTERNAL_ADDRESS = knownHeaderId("x-envoy-external-address");
const LIMIT = 4096;

/** What all requests from one address get alike. */
export interface PeerHeaders {
  /** The address as X-Forwarded-For tells it. */
  readonly ownAddress: string;
  readonly forwardedFor: HeaderLine;
  readonly externalAddress: HeaderLine;
  readonly isInternal: boolean;
}

/** The headers of the peers seen lately, by address. */
export class PeerHeaderCache {
  readonly #localIp: string;
  readonly #isInternal: (ip: string) => boolean;
  readonly #known = new Map<string, PeerHeaders>();

  /** @param localIp stands for loopback peers, as in Envoy */
  constructor(localIp: string, isInternal: (ip: string) => boolean) {
    this.#localIp = localIp;
    this.#isInternal = isInternal;
  }

  of(ip: string): PeerHeaders {
    return this.#known.get(ip) ?? this.#add(ip);
  }

  #add(ip: string): PeerHeaders {
    const ownAddress = isLoopback(ip) ? this.#localIp : ip;
    const peer = {
      ownAddress,
      forwardedFor: HeaderLine.of(FORWARDED_FOR, ownAddress),
      externalAddress: HeaderLine.of(EXTERNAL_ADDRESS, ip),
      isInternal: this.#isInternal(ip),
    };
    if (this.#known.size >= LIMIT) this.#known.clear();
    this.#known.set(ip, peer);
    return peer;
  }
}
