import type { Messages } from "../proto/messages.d.ts";

type PassThrough = Messages["envoy.config.core.v3.ProxyProtocolPassThroughTLVs"];

const INCLUDE = 1;

/** Which TLVs go on to hosts. */
export function passesThrough(config: PassThrough | undefined): (type: number) => boolean {
  if (config === undefined) return () => false;
  if ((config.matchType as number) !== INCLUDE) return () => true;
  const types = new Set(config.tlvType);
  return (type) => types.has(type);
}
