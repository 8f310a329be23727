import { StreamBuffers, type BufferHolder } from "./stream-buffers.ts";
import { WriteTurn } from "./write-turn.ts";

/** Size of one read. */
const READ_BUFFER_SIZE = 65_536;

/** What the connections of one thread share. */
export class NetContext {
  readonly turn: WriteTurn = new WriteTurn();
  /** The bytes being handled lie in the shared read buffer: who queues them for writing copies them first. */
  lent = false;
  /** How many connections could not finish a write in this turn, and so still use bytes that were read in it. */
  holders = 0;
  /** The last of them. */
  holder: BufferHolder | null = null;
  /** Where sockets without a long body read into. */
  readonly sharedBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE);
  readonly streamBuffers: StreamBuffers = new StreamBuffers();

  /** Notes that `by` still writes when the turn ends. */
  hold(by: BufferHolder): void {
    if (this.holders > 0 && this.holder === by) return;
    this.holder = by;
    this.holders++;
  }
}
