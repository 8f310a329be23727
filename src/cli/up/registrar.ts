import { setTimeout as sleep } from "node:timers/promises";

export interface Registration {
  readonly registry: string;
  readonly service: string;
  /** IP:PORT where others reach the instance. */
  readonly address: string;
  readonly leaseSeconds: number;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const RETRY_MS = 300;
const MAX_RETRY_MS = 3000;

/**
 * Keeps one instance registered for as long as it lives: registers, renews three times per lease, registers again when
 * the registry has lost it, waits when the registry is away.
 */
export class Registrar {
  readonly #registration: Registration;
  readonly #stopping = new AbortController();
  readonly #say: (text: string) => void;
  #running: Promise<void> | undefined;

  constructor(registration: Registration, say: (text: string) => void) {
    this.#registration = registration;
    this.#say = say;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops renewing: the lease ends by itself. */
  abandon(): void {
    this.#stopping.abort();
  }

  /** Stops renewing and takes the instance away. */
  async deregister(reason: string): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#call("DELETE", `?reason=${encodeURIComponent(reason)}`).catch(() => {});
  }

  async #run(): Promise<void> {
    const { leaseSeconds, version, metadata } = this.#registration;
    const signal = this.#stopping.signal;
    let registered = false;
    let pause = RETRY_MS;
    while (!signal.aborted) {
      try {
        const answer: Response = registered
          ? await this.#call("POST", "/renew")
          : await this.#call("PUT", "", { lease_seconds: leaseSeconds, version, metadata });
        if (answer.ok) pause = RETRY_MS;
        else if (!registered)
          this.#say(`the registry refuses the instance: ${answer.status} ${await answer.text()}`);
        registered = answer.ok;
        await sleep(registered ? (leaseSeconds * 1000) / 3 : pause, undefined, { signal });
      } catch {
        if (signal.aborted) return;
        await sleep(pause, undefined, { signal }).catch(() => {});
      }
      if (!registered) pause = Math.min(MAX_RETRY_MS, pause * 2);
    }
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const { registry, service, address } = this.#registration;
    const url = `${registry}/v1/services/${service}/instances/${encodeURIComponent(address)}${path}`;
    return fetch(url, {
      method,
      signal: AbortSignal.timeout(2000),
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
  }
}
