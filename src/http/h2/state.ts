// Stream states (RFC 9113 section 5.1). Push is switched off, so that the reserved states do not occur.
//
//            send or receive HEADERS
//     idle ───────────────────────────▶ open ──┬── receive END_STREAM ──▶ half-closed (remote) ──┐
//                                              └── send END_STREAM ─────▶ half-closed (local) ───┤
//                                                                                                ▼
//     from any of them by sending or receiving RST_STREAM ────────────────────────────────▶ closed

export type StreamState = number;

/** Both sides may send. A stream object begins here: idle streams have none. */
export const OPEN: StreamState = 0;
/** Flag: we have sent END_STREAM. */
export const LOCAL_CLOSED: StreamState = 1;
/** Flag: the peer has sent END_STREAM. */
export const REMOTE_CLOSED: StreamState = 2;
/** Both flags: no more frames either way. */
export const CLOSED: StreamState = 3;

export function isLocalClosed(state: StreamState): boolean {
  return (state & LOCAL_CLOSED) !== 0;
}
