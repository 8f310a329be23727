import type { Connection, ConnectionHandler } from "../../../net/connection.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { Clusters, ConnectCallbacks, PickContext, PoolRequest, UpstreamConnection } from "../../api.ts";
import type { HostSpec } from "../../link.ts";
import { HEALTHY, NETWORK, type Probe, type ProbeOutcome } from "./probe.ts";

type Config = Messages["envoy.config.core.v3.HealthCheck.TcpHealthCheck"];
type Payload = Messages["envoy.config.core.v3.HealthCheck.Payload"];

const PICK: PickContext = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };
/** Most bytes in which an answer is looked for. */
const MAX_ANSWER = 65_536;

/** Asks by connecting, and by bytes that must come back: fit is who has them all in this order. */
export class TcpProbe implements Probe {
  readonly #clusters: Clusters;
  readonly #send: Buffer;
  readonly #receive: readonly Buffer[];

  /** Throws an Error for text that is not hexadecimal. */
  constructor(config: Config, clusters: Clusters) {
    this.#clusters = clusters;
    this.#send = config.send === undefined ? Buffer.alloc(0) : bytesOf(config.send);
    this.#receive = config.receive.map(bytesOf);
  }

  ask(_host: HostSpec, name: string, done: (outcome: ProbeOutcome) => void): () => void {
    const cluster = this.#clusters.get(name)!;
    cluster.tryAcquire("connections", 0);
    const host = cluster.pick(PICK);
    if (host === undefined) {
      cluster.release("connections", 0);
      done(NETWORK);
      return () => {};
    }
    const exchange = new Exchange(this.#send, this.#receive, done);
    exchange.request = cluster.connect(host, exchange);
    return () => exchange.cancel();
  }
}

/** One connection. */
class Exchange implements ConnectCallbacks, ConnectionHandler {
  request: PoolRequest | undefined;
  readonly #send: Buffer;
  readonly #receive: readonly Buffer[];
  readonly #done: (outcome: ProbeOutcome) => void;
  #upstream: UpstreamConnection | undefined;
  #received: Buffer = Buffer.alloc(0);
  #over = false;

  constructor(send: Buffer, receive: readonly Buffer[], done: (outcome: ProbeOutcome) => void) {
    this.#send = send;
    this.#receive = receive;
    this.#done = done;
  }

  onConnected(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    upstream.handler = this;
    if (this.#send.length > 0) upstream.write(this.#send);
    if (this.#receive.length === 0) this.#finish(HEALTHY);
  }

  onPoolFailure(): void {
    this.#finish(NETWORK);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#over) return;
    this.#received = Buffer.concat([this.#received, bytes.subarray(start, end)]);
    if (this.#found()) this.#finish(HEALTHY);
    else if (this.#received.length > MAX_ANSWER) this.#finish(NETWORK);
  }

  onEnd(): void {
    this.#finish(NETWORK);
  }

  onClose(): void {
    this.#finish(NETWORK);
  }

  onDrain(): void {}

  onConnect(_connection?: Connection): void {}

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
  }

  #found(): boolean {
    let from = 0;
    for (const part of this.#receive) {
      const at = this.#received.indexOf(part, from);
      if (at < 0) return false;
      from = at + part.length;
    }
    return true;
  }

  #finish(outcome: ProbeOutcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    this.#done(outcome);
  }

  #release(): void {
    if (this.#upstream === undefined) this.request?.cancel();
    else this.#upstream.close();
  }
}

function bytesOf({ payload }: Payload): Buffer {
  if (payload.case === "binary") return Buffer.from(payload.value);
  const text = payload.value ?? "";
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new Error(`invalid hex string '${text}'`);
  return Buffer.from(text, "hex");
}
