import type { ConnectionHandler } from "../../net/connection.ts";
import type { DownstreamConnection, NetworkFilterDef, TerminalFilterFactory } from "../../proxy/api.ts";

/** envoy.filters.network.echo: sends back what it gets. */
export const echo: NetworkFilterDef<"envoy.extensions.filters.network.echo.v3.Echo", TerminalFilterFactory> =
  {
    name: "envoy.filters.network.echo",
    config: "envoy.extensions.filters.network.echo.v3.Echo",
    ledger: { "envoy.extensions.filters.network.echo.v3.Echo": "all" },
    create: () => ({
      accept: ({ connection }) => new EchoConnection(connection),
      drain() {},
      close() {},
    }),
  };

class EchoConnection implements ConnectionHandler {
  readonly #connection: DownstreamConnection["connection"];
  #paused = false;

  constructor(connection: DownstreamConnection["connection"]) {
    this.#connection = connection;
  }

  onConnect(): void {
    // Accepted connections stand already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#connection.writeBytes(bytes.subarray(start, end)) || this.#paused) return;
    this.#paused = true;
    this.#connection.pauseReading();
  }

  onEnd(): void {
    this.#connection.end();
  }

  onDrain(): void {
    if (this.#paused) this.#connection.resumeReading();
    this.#paused = false;
  }

  onClose(): void {
    // Nothing is kept.
  }
}
