import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import type { ListenerFacts, ListenerFilter } from "../api.ts";

/** How looking at a connection's first bytes ended. */
export type InspectionEnd = "done" | "refused" | "timeout" | "remote-close";

/**
 * Shows a socket and its first bytes to listener filters, one filter after the other, who note in `facts` what they find,
 * and puts back the bytes that no filter consumed. Calls back once; the socket is paused then, and its bytes are still unread.
 */
export function inspect(
  socket: Socket,
  filters: readonly ListenerFilter[],
  limits: { readonly timeout: number; readonly clock: Clock },
  facts: ListenerFacts,
  done: (end: InspectionEnd) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  let index = 0;
  let accepted = false;
  let cancel: (() => void) | undefined;
  const finish = (end: InspectionEnd): void => {
    cancel?.();
    socket.off("readable", onReadable);
    socket.off("end", onEnd);
    socket.off("close", onClose);
    socket.off("error", onError);
    if (bytes.length > 0 && !socket.destroyed) socket.unshift(bytes);
    done(end);
  };
  /** Goes on until a filter needs more bytes; undefined then. */
  const advance = (): InspectionEnd | undefined => {
    for (; index < filters.length; index++, accepted = false) {
      const filter = filters[index]!;
      if (!accepted && filter.onAccept?.(socket, facts) === "close") return "refused";
      accepted = true;
      if (filter.onBytes === undefined) continue;
      const verdict = bytes.length === 0 ? "more" : filter.onBytes(bytes, facts);
      if (verdict === "more") return undefined;
      if (verdict === "close") return "refused";
      if (verdict !== "next") bytes = bytes.subarray(verdict);
    }
    return "done";
  };
  const onReadable = (): void => {
    const more = socket.read() as Buffer | null;
    if (more === null) return;
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
    const end = advance();
    if (end !== undefined) finish(end);
  };
  const onEnd = (): void => finish("remote-close");
  const onClose = (): void => finish("remote-close");
  const onError = (): void => {};
  const atOnce = advance();
  if (atOnce !== undefined) return done(atOnce);
  if (limits.timeout > 0) cancel = limits.clock.after(limits.timeout, () => finish("timeout"));
  socket.on("readable", onReadable);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  socket.on("error", onError);
}
