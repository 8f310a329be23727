/** What a state-of-the-world DiscoveryRequest says, apart from node and type. */
export interface SotwRequest {
  /** Names that are wanted; empty = all there are. */
  readonly names: readonly string[];
  /** Version that was accepted last; "" = none. */
  readonly version: string;
  /** Nonce of the response that this answers; "" on a new stream. */
  readonly nonce: string;
  /** Why the response with this nonce was rejected. */
  readonly error: string | undefined;
}

/**
 * The client's side of one type on a state-of-the-world stream; pure. Rules as in Envoy 1.40: an ACK carries the new
 * version, a NACK the last accepted one; a new stream keeps the version and forgets the nonce; a changed list of names
 * is sent at once with what is accepted so far.
 */
export class SotwSubscription {
  readonly wildcard: boolean;
  #names: readonly string[] = [];
  #version = "";
  #nonce = "";
  #open = false;
  #requested = false;

  constructor(wildcard: boolean) {
    this.wildcard = wildcard;
  }

  /** Version that was accepted last. */
  get version(): string {
    return this.#version;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Whether anything is wanted. */
  get active(): boolean {
    return this.#requested && (this.wildcard || this.#names.length > 0);
  }

  /** Changes what is wanted. Returns the request to send now, if any. Wildcard types pass no names. */
  want(names: readonly string[]): SotwRequest | undefined {
    const sorted = [...new Set(names)].sort();
    const first = !this.#requested;
    const same = sorted.length === this.#names.length && sorted.every((name, i) => name === this.#names[i]);
    this.#requested = true;
    if (same && !first) return undefined;
    const wasEmpty = this.#names.length === 0;
    this.#names = sorted;
    // Without names there was no request yet that would have to be taken back.
    if (!this.wildcard && sorted.length === 0 && (wasEmpty || this.#nonce === "")) return undefined;
    return this.#open ? this.#request(undefined) : undefined;
  }

  /** Asks once more for the same, as Envoy does when a cluster is updated. */
  again(): SotwRequest | undefined {
    return this.#open && this.active ? this.#request(undefined) : undefined;
  }

  /** A new stream stands. Returns the request to begin with, if anything is wanted. */
  opened(): SotwRequest | undefined {
    this.#open = true;
    this.#nonce = "";
    return this.active ? this.#request(undefined) : undefined;
  }

  closed(): void {
    this.#open = false;
    this.#nonce = "";
  }

  /** The response with this version and nonce was taken over. Returns the ACK. */
  accept(version: string, nonce: string): SotwRequest {
    this.#version = version;
    this.#nonce = nonce;
    return this.#request(undefined);
  }

  /** The response with this nonce was refused. Returns the NACK. */
  reject(nonce: string, error: string): SotwRequest {
    this.#nonce = nonce;
    return this.#request(error);
  }

  #request(error: string | undefined): SotwRequest {
    return { names: this.#names, version: this.#version, nonce: this.#nonce, error };
  }
}
