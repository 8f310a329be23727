interface Kept {
  readonly session: Buffer;
  readonly owner: unknown;
  readonly once: boolean;
}

/** Sessions to resume, newest first. */
export class TlsSessions {
  readonly #limit: number;
  readonly #sessions: Kept[] = [];

  /** @param limit 0 = nothing is kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Keeps a session that was made with `owner`'s settings. `once`: it is given out one time only, as long as there are
   * others (RFC 8446, C.4, does not want tickets of TLS 1.3 used again, so that clients cannot be recognised; a proxy is
   * recognised by its address, and servers may send no new ticket on a resumed connection).
   */
  put(session: Buffer, owner: unknown, once: boolean): void {
    if (this.#limit === 0) return;
    this.#sessions.unshift({ session, owner, once });
    if (this.#sessions.length > this.#limit) this.#sessions.pop();
  }

  /** The newest session of `owner`; others are dropped, since what they were checked against is no more. */
  take(owner: unknown): Buffer | undefined {
    while (this.#sessions.length > 0 && this.#sessions[0]!.owner !== owner) this.#sessions.shift();
    const found = this.#sessions[0];
    if (found?.once === true && this.#sessions.length > 1) this.#sessions.shift();
    return found?.session;
  }
}
