import type { FormatValue, OperatorDef, StreamInfo } from "../../proxy/api.ts";
import { withArgument } from "./define.ts";

/** Operators of what filters left on the stream. */
export const stateOperators: readonly OperatorDef[] = [
  withArgument("DYNAMIC_METADATA", dynamicMetadata),
  withArgument("METADATA", (argument) => {
    const colon = argument.indexOf(":");
    const kind = colon < 0 ? argument : argument.slice(0, colon);
    if (kind !== "DYNAMIC") throw new Error(`METADATA: type "${kind}" is not supported, DYNAMIC is`);
    return dynamicMetadata(argument.slice(colon + 1));
  }),
  withArgument("FILTER_STATE", (argument) => {
    const [key = "", kind = "TYPED", field = ""] = argument.split(":");
    if (kind !== "PLAIN" && kind !== "TYPED" && kind !== "FIELD")
      throw new Error(`Invalid filter state serialize type, only support PLAIN/TYPED/FIELD: ${kind}`);
    // What filters of the connection left is there for its requests too.
    const read = (info: StreamInfo): unknown =>
      info.filterState?.get(key) ?? info.connection.filterState?.get(key);
    if (kind !== "FIELD") return (info) => read(info) as FormatValue;
    return (info) => (read(info) as Record<string, FormatValue> | undefined)?.[field];
  }),
];

/** "NAMESPACE:KEY:KEY…" */
function dynamicMetadata(argument: string): (info: StreamInfo) => FormatValue {
  const [namespace = "", ...path] = argument.split(":");
  return (info) => {
    let value: unknown = info.dynamicMetadata?.get(namespace);
    for (const key of path) {
      if (typeof value !== "object" || value === null) return undefined;
      value = (value as Record<string, unknown>)[key];
    }
    return value === null ? undefined : (value as FormatValue);
  };
}
