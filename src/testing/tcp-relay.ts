import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A way to a TCP port of loopback that a test can block, so that one program no longer hears another. The test's end closes it. */
export class TcpRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #blocked = false;

  static async start(test: TestContext, target: number): Promise<TcpRelay> {
    const relay = new TcpRelay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    test.after(() => relay.#close());
    return relay;
  }

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect(target, "127.0.0.1");
      this.#join(client, upstream);
      this.#join(upstream, client);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Bytes no longer get through, as when a network loses every packet: connections stay, and new ones are accepted. */
  block(blocked: boolean): void {
    this.#blocked = blocked;
    for (const socket of this.#sockets) {
      if (blocked) socket.pause();
      else socket.resume();
    }
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    if (this.#blocked) from.pause();
    from.on("data", (bytes) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once("drain", () => {
        if (!this.#blocked) from.resume();
      });
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
