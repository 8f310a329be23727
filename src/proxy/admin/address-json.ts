/** "ip:port", "[v6]:port" or a path of a Unix socket as JSON of envoy.config.core.v3.Address. */
export function addressJson(address: string): unknown {
  const colon = address.lastIndexOf(":");
  if (address.startsWith("/") || address.startsWith("@") || colon < 0) return { pipe: { path: address } };
  const port = Number(address.slice(colon + 1));
  return {
    socket_address: {
      address: address.slice(0, colon).replace(/^\[|\]$/g, ""),
      // As protobuf JSON: port 0 is set (it is part of a oneof).
      port_value: port,
    },
  };
}
