import type { JsonValue } from "@bufbuild/protobuf";
import { toJson, type MessageOf } from "../../proto/registry.ts";
import type { NodeIdentity } from "../views/view.ts";

/** What views need to know of a node. */
export function nodeIdentity(
  node: MessageOf<"envoy.config.core.v3.Node"> | undefined,
  peer: string,
): NodeIdentity {
  const json =
    node === undefined ? {} : (toJson("envoy.config.core.v3.Node", node) as Record<string, JsonValue>);
  const metadata = (json["metadata"] ?? {}) as Record<string, JsonValue>;
  const weft = metadata["weft"];
  return {
    id: node?.id ?? "",
    cluster: node?.cluster ?? "",
    region: node?.locality?.region ?? "",
    zone: node?.locality?.zone ?? "",
    userAgent: node?.userAgentName ?? "",
    peer,
    metadata,
    weft:
      typeof weft === "object" && weft !== null && !Array.isArray(weft)
        ? (weft as Record<string, JsonValue>)
        : {},
  };
}
