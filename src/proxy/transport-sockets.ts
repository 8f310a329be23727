import { configTypeName, unpackAs, type MessageOf } from "../proto/registry.ts";
import type { Extensions, TransportSocketDef } from "./api.ts";

const RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/**
 * What a transport_socket asks for; undefined = plaintext. Throws an Error when there is none of its type for this
 * side.
 */
export function findTransportSocket(
  config: MessageOf<"envoy.config.core.v3.TransportSocket"> | undefined,
  extensions: Pick<Extensions, "transportSockets">,
  side: "createServer" | "createClient",
): { readonly def: TransportSocketDef; readonly message: unknown } | undefined {
  if (config === undefined) return undefined;
  if (config.configType.case !== "typedConfig") {
    if (config.name === "envoy.transport_sockets.raw_buffer") return undefined;
    throw new Error(`transport_socket '${config.name}': typed_config must be set`);
  }
  const any = config.configType.value;
  const type = configTypeName(any);
  if (type === RAW_BUFFER) return undefined;
  const def = extensions.transportSockets?.find((each) => each.config === type);
  if (def?.[side] === undefined)
    throw new Error(`Didn't find a registered implementation for '${config.name}' with type URL: '${type}'`);
  return { def, message: unpackAs(any, def.config) };
}
