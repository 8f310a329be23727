import { readFileSync } from "node:fs";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/**
 * Whether somebody connects to a local port, or has connected and waits to be accepted there, in any process of this
 * network namespace. False where the system does not say (it is not Linux).
 * @param own remote ports that do not count
 */
export function hasWaitingConnections(port: number, own: ReadonlySet<number>): boolean {
  // Columns are the addresses, the state, queues, timer, retransmits, user, timeout and inode. In state 03 (SYN_RECV)
  // the peer may believe that the connection stands; one in 01 or 08 (ESTABLISHED, CLOSE_WAIT) without an inode belongs
  // to nobody yet.
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const waiting = new RegExp(
    `${local} [0-9A-F]+:([0-9A-F]{4}) (?:03 |0[18] \\S+ \\S+ \\S+ +\\d+ +\\d+ 0 )`,
    "g",
  );
  return TABLES.some((path) => {
    for (const [, remote] of read(path).matchAll(waiting))
      if (!own.has(Number.parseInt(remote!, 16))) return true;
    return false;
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
