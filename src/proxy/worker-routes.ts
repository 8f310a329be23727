import { decode } from "../proto/registry.ts";
import type { RouteConfigs } from "./api.ts";
import type { RouteCompileContext } from "./route/route-compile-context.ts";
import { compileRouteTable, type RouteTable } from "./route/route-table.ts";

interface Entry {
  readonly bytes: Uint8Array;
  table: RouteTable | undefined;
}

/** Route configurations of RDS in one worker; each is compiled when a request first asks for it. */
export class WorkerRoutes implements RouteConfigs {
  readonly #context: RouteCompileContext;
  readonly #entries = new Map<string, Entry>();

  constructor(context: RouteCompileContext) {
    this.#context = context;
  }

  /** New configuration of a name; undefined takes it away. */
  set(name: string, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#entries.delete(name);
    else this.#entries.set(name, { bytes, table: undefined });
  }

  get(name: string): RouteTable | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    entry.table ??= compileRouteTable(
      decode("envoy.config.route.v3.RouteConfiguration", entry.bytes),
      this.#context,
    );
    return entry.table;
  }
}
