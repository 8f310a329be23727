import type { TestContext } from "node:test";
import { AdsServer } from "../../src/control/xds/ads-server.ts";
import { ControlMetrics } from "../../src/control/control-metrics.ts";
import { encodeResource, type Resource, type ResourceExtras } from "../../src/control/xds/resource.ts";
import { ResourceSet } from "../../src/control/xds/resource-set.ts";
import type { ResourceTypeName } from "../../src/control/xds/resource-type.ts";
import type { Snapshot, SnapshotSource } from "../../src/control/xds/snapshot.ts";

/** An xDS server whose resources a test writes by hand: the same for all nodes. */
export class XdsContent implements SnapshotSource {
  readonly due = undefined;
  readonly log: string[] = [];
  readonly #resources = new Map<string, Resource>();
  #snapshot: Snapshot = { view: "test", sets: new Map(), ttl: undefined };
  #server: AdsServer | undefined;

  get server(): AdsServer {
    return this.#server!;
  }

  build(): Snapshot {
    return this.#snapshot;
  }

  set(type: ResourceTypeName, name: string, json: object, extras: ResourceExtras = {}): this {
    this.#resources.set(`${type} ${name}`, encodeResource(type, name, json as never, extras));
    return this;
  }

  remove(type: ResourceTypeName, name: string): this {
    this.#resources.delete(`${type} ${name}`);
    return this;
  }

  /** Tells all nodes what was set and removed. */
  publish(): void {
    const all = [...this.#resources.values()];
    const types = new Set(all.map(({ type }) => type));
    const ttls = all.flatMap(({ ttl }) => ttl ?? []);
    const sets = [...types].map(
      (type) =>
        [
          type,
          ResourceSet.of(
            type,
            all.filter((each) => each.type === type),
          ),
        ] as const,
    );
    this.#snapshot = {
      view: "test",
      sets: new Map(sets),
      ttl: ttls.length === 0 ? undefined : Math.min(...ttls),
    };
    this.#server?.pushAll();
  }

  /** Starts to serve; again, on the same port, after `server.grpc.close()`. Returns the port. */
  async serve(context: TestContext, port = 0): Promise<number> {
    const note = (text: string) => void this.log.push(text);
    const server = new AdsServer({
      host: "127.0.0.1",
      port,
      log: { info: note, warn: note },
      metrics: new ControlMetrics({
        sessions: () => server.sessions,
        sources: () => [],
        historyTrouble: () => "",
      }),
      snapshots: this,
      ready: () => true,
    });
    this.#server = server;
    context.after(() => server.close());
    return server.listen();
  }

  /** How the one node stands with a type. */
  state(type: ResourceTypeName): string {
    const states = this.server.sessions.flatMap(({ status }) => status.filter((each) => each.type === type));
    return states[0]?.state ?? "none";
  }
}
