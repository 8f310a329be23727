import { WriteTurn } from "./write-turn.ts";

/** Size of one read. */
export const READ_BUFFER_SIZE = 65_536;

/** What the connections of one thread share. */
export class NetContext {
  readonly turn: WriteTurn = new WriteTurn();
  /** The bytes being handled lie in the shared read buffer: who queues them for writing copies them first. */
  lent = false;
  /** A write of this turn could not be finished: the bytes given to it are still in use. */
  held = false;
  /** Where sockets without a long body read into. */
  readonly sharedBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE);
}
