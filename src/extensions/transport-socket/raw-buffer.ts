import type { TransportSocketDef } from "../../proxy/api.ts";

/** No transport socket at all: neither side is created. */
export const rawBuffer: TransportSocketDef<"envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"> = {
  name: "envoy.transport_sockets.raw_buffer",
  config: "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
  ledger: { "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer": "all" },
};
