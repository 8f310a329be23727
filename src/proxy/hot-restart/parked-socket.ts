import {
  MessageChannel,
  receiveMessageOnPort,
  type MessagePort,
  type Transferable,
} from "node:worker_threads";
import type { Server } from "node:net";
import type { BindAddress, HandedSocket } from "../link.ts";

/**
 * A listening socket that nobody accepts from: its queue fills until it is unparked. It lies in a message that is not
 * read, which is how a `net.Server` can be kept without its event loop.
 */
export class ParkedSocket {
  readonly bind: BindAddress;
  readonly #inbox: MessagePort;
  readonly #outbox: MessagePort;

  /** Takes the server over. Call it in the turn in which the server came to this thread. */
  constructor({ bind, server }: HandedSocket) {
    this.bind = bind;
    const { port1, port2 } = new MessageChannel();
    this.#outbox = port1;
    this.#inbox = port2;
    port1.postMessage(server, [server as unknown as Transferable]);
    port1.unref();
    port2.unref();
  }

  /** Gives the socket back, accepting from now on: hand it on in this turn, or have a "connection" listener. */
  unpark(): HandedSocket {
    const received = receiveMessageOnPort(this.#inbox) as { readonly message: Server };
    this.#closePorts();
    return { bind: this.bind, server: received.message };
  }

  /** Closes this copy of the socket. */
  close(): void {
    this.unpark().server.close();
  }

  #closePorts(): void {
    this.#outbox.close();
    this.#inbox.close();
  }
}
