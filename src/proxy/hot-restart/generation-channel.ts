import type { GenerationMessage } from "./messages.ts";
import type { ParkedSocket } from "./parked-socket.ts";

/** A way to another generation of this proxy. */
export interface GenerationChannel {
  post(message: GenerationMessage): void;
  /** Sends a copy of a listening socket; resolves with our own. Absent where sockets cannot be sent. */
  postSocket?(socket: ParkedSocket): Promise<ParkedSocket>;
}

/** Takes what the other generation says. `socket` comes with "socket". */
export type GenerationListener = (message: GenerationMessage, socket: ParkedSocket | undefined) => void;
