import type { Endpoint, ServiceReading } from "../../model.ts";

/** An endpoint with everything that is not given at its default. */
export function endpointWith(given: Pick<Endpoint, "ip" | "port"> & Partial<Endpoint>): Endpoint {
  return { weight: 1, region: "", zone: "", version: "", health: "healthy", metadata: {}, ...given };
}

/** Gathers endpoints by service; of the same address twice, the first is taken. */
export class ServiceMap {
  readonly #services = new Map<
    string,
    { endpoints: Map<string, Endpoint>; unreadable: number; confirmed: boolean }
  >();

  /** Makes a service known, with endpoints or without. `confirmed`: losses are meant. */
  know(service: string, confirmed = false): void {
    this.#of(service).confirmed = confirmed;
  }

  add(service: string, endpoint: Endpoint): void {
    const { endpoints } = this.#of(service);
    const address = `${endpoint.ip} ${endpoint.port}`;
    if (!endpoints.has(address)) endpoints.set(address, endpoint);
  }

  /** Counts an instance that makes no sense: a known endpoint may be behind it. */
  addUnreadable(service: string): void {
    this.#of(service).unreadable++;
  }

  readings(): Map<string, ServiceReading> {
    return new Map(
      Array.from(this.#services, ([name, { endpoints, unreadable, confirmed }]) => [
        name,
        {
          endpoints: [...endpoints.values()],
          confirmed: confirmed && unreadable === 0,
          ...(unreadable > 0 && { unreadable }),
        },
      ]),
    );
  }

  #of(service: string): { endpoints: Map<string, Endpoint>; unreadable: number; confirmed: boolean } {
    let entry = this.#services.get(service);
    if (entry === undefined)
      this.#services.set(service, (entry = { endpoints: new Map(), unreadable: 0, confirmed: false }));
    return entry;
  }
}
