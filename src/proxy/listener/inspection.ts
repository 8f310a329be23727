import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import type { ListenerFacts, ListenerFilter } from "../api.ts";

/** How looking at a connection's first bytes ended. */
export type InspectionEnd = "done" | "refused" | "timeout" | "remote-close";

/**
 * Shows the first bytes of a socket to listener filters, one filter after the other, and puts the bytes back. Calls
 * back once; the socket is paused then, and its bytes are still unread.
 */
export function inspect(
  socket: Socket,
  filters: readonly ListenerFilter[],
  limits: { readonly timeout: number; readonly clock: Clock },
  done: (end: InspectionEnd, facts: ListenerFacts) => void,
): void {
  const facts: ListenerFacts = { serverName: "", transportProtocol: "raw_buffer", applicationProtocols: [] };
  let bytes: Buffer = Buffer.alloc(0);
  let index = 0;
  const finish = (end: InspectionEnd): void => {
    cancel?.();
    socket.off("readable", onReadable);
    socket.off("end", onEnd);
    socket.off("close", onClose);
    socket.off("error", onError);
    if (bytes.length > 0 && !socket.destroyed) socket.unshift(bytes);
    done(end, facts);
  };
  const onReadable = (): void => {
    const more = socket.read() as Buffer | null;
    if (more === null) return;
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
    while (index < filters.length) {
      const verdict = filters[index]!.onBytes(bytes, facts);
      if (verdict === "more") return;
      if (verdict === "close") return finish("refused");
      index++;
    }
    finish("done");
  };
  const onEnd = (): void => finish("remote-close");
  const onClose = (): void => finish("remote-close");
  const onError = (): void => {};
  const cancel = limits.timeout > 0 ? limits.clock.after(limits.timeout, () => finish("timeout")) : undefined;
  socket.on("readable", onReadable);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  socket.on("error", onError);
}
