// Small pieces of Envoy's v3 messages in their JSON form.
import type { JsonValue } from "@bufbuild/protobuf";

export type JsonFields = Record<string, JsonValue>;

/** Resources that come over the same stream as what points at them. */
export const adsSource: JsonValue = { ads: {}, resource_api_version: "V3" };

/** A message inside an Any. */
export function typed(type: string, fields: JsonFields = {}): JsonValue {
  return { "@type": `type.googleapis.com/${type}`, ...fields };
}

/** `ADDRESS:PORT` as a socket address. Throws when it is not one. */
export function socketAddress(text: string): JsonValue {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  const address = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  if (colon <= 0 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`"${text}" is not ADDRESS:PORT`);
  }
  return { socket_address: { address, port_value: port } };
}

/** Milliseconds as a protobuf duration. */
export function duration(ms: number): string {
  return `${ms / 1000}s`;
}

/** A share of 100 as a FractionalPercent. */
export function fraction(percent: number): JsonFields {
  return Number.isInteger(percent)
    ? { numerator: percent }
    : { numerator: Math.round(percent * 10_000), denominator: "MILLION" };
}

/** Fields whose value is there. */
export function given(fields: Record<string, JsonValue | undefined>): JsonFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonFields;
}
