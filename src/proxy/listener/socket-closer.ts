import type { Closing, FromWorker, HandedSocket } from "../link.ts";
import type { ListenSockets } from "./listen-sockets.ts";

/** How long the closing worker waits for what the others hand over, in milliseconds: one may have crashed. */
const HANDOVER_TIME = 2000;

interface Pending {
  readonly sockets: ListenSockets;
  left: number;
  readonly complete: () => void;
}

/**
 * Ends listening in one worker of several: the sockets of one address have to be in one thread to be closed without a
 * loss (see `closeListening`), so all workers give theirs to the one that `Closing` names.
 */
export class SocketCloser {
  readonly #workerIndex: number;
  readonly #post: (message: FromWorker) => void;
  /** What this worker closes, by closing and listener, until the others' sockets have come. */
  readonly #pending = new Map<string, Pending>();

  constructor(workerIndex: number, post: (message: FromWorker) => void) {
    this.#workerIndex = workerIndex;
    this.#post = post;
  }

  /** Resolves when nothing is accepted any more. @param shared another process listens on the same addresses */
  async close(
    listener: string,
    sockets: ListenSockets,
    closing: Closing | undefined,
    shared = false,
  ): Promise<void> {
    if (closing !== undefined && closing.others > 0) {
      if (closing.worker === this.#workerIndex) await this.#othersOf(closing, listener, sockets);
      else {
        const handed = sockets.releaseToThread();
        this.#post({ kind: "sockets", to: closing.worker, closing: closing.id, listener, sockets: handed });
      }
    }
    await sockets.close(shared);
  }

  /** Takes another worker's sockets of a listener that is being closed here. */
  take(closing: number, listener: string, handed: readonly HandedSocket[]): void {
    const key = keyOf(closing, listener);
    const pending = this.#pending.get(key);
    // Too late, or this worker was replaced in between.
    if (pending === undefined) return handed.forEach(({ server }) => server.close());
    pending.sockets.adopt(handed);
    if (--pending.left === 0) pending.complete();
  }

  #othersOf(closing: Closing, listener: string, sockets: ListenSockets): Promise<void> {
    const key = keyOf(closing.id, listener);
    return new Promise((resolve) => {
      const complete = (): void => {
        clearTimeout(timer);
        this.#pending.delete(key);
        resolve();
      };
      const timer = setTimeout(complete, HANDOVER_TIME);
      this.#pending.set(key, { sockets, left: closing.others, complete });
    });
  }
}

function keyOf(closing: number, listener: string): string {
  return `${closing}|${listener}`;
}
