import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { certificates } from "../certificates.ts";
import { H2Endpoint, settingsFrame } from "./endpoint.ts";
import { h2Action, type H2Action, type H2UpstreamSpec } from "./schema.ts";

type Script = readonly H2Action[];

/** An HTTP/2 server that plays a script on each stream and records every frame. */
export class H2Upstream {
  readonly connections: H2Endpoint[] = [];
  readonly #server: Server;
  readonly #scripts: readonly Script[];
  readonly #spec: H2UpstreamSpec;
  #nextStream = 0;

  private constructor(spec: H2UpstreamSpec, certificate: string | undefined) {
    this.#spec = spec;
    this.#scripts = scriptsOf(spec.h2);
    const accept = (socket: Socket): void => this.#accept(socket);
    if (certificate === undefined) this.#server = createServer({ allowHalfOpen: true }, accept);
    else {
      const { cert, key } = certificates()[certificate]!;
      this.#server = createTlsServer({ cert, key, ALPNProtocols: ["h2"], allowHalfOpen: true }, accept);
    }
  }

  /** With a certificate (a name of certificates.ts) it speaks TLS and takes the protocol h2. */
  static async start(spec: H2UpstreamSpec, certificate?: string): Promise<H2Upstream> {
    const upstream = new H2Upstream(spec, certificate);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const endpoint = new H2Endpoint(socket, this.#spec.pong);
    this.connections.push(endpoint);
    endpoint.send(settingsFrame(this.#spec.settings));
    endpoint.onStream = (id) => void this.#serve(endpoint, id);
  }

  async #serve(endpoint: H2Endpoint, id: number): Promise<void> {
    const script = this.#scripts[Math.min(this.#nextStream++, this.#scripts.length - 1)]!;
    for (const action of script) {
      if (endpoint.ended) return;
      await endpoint.play(action, "http", id);
    }
  }
}

function scriptsOf(spec: H2UpstreamSpec["h2"]): Script[] {
  const ok = h2Action.parse({ status: 200, body: "ok" });
  const whole = h2Action.parse({ expect: "message" });
  const list = spec === "ok" ? [ok] : [spec].flat(1);
  return list.map((entry) => {
    const actions = [entry].flat();
    const waits = actions[0]?.expect !== undefined || actions[0]?.match !== undefined;
    return waits ? actions : [whole, ...actions];
  });
}
