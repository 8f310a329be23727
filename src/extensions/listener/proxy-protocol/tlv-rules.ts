import type { ProxyTlv } from "../../../net/proxy-protocol/proxy-header.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { ListenerFacts } from "../../../proxy/api.ts";

type Config = Messages["envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"];

const NAMESPACE = "envoy.filters.listener.proxy_protocol";
/** Filter state of TLVs whose location is FILTER_STATE. */
const TLV_STATE = "envoy.network.proxy_protocol.tlv";
const FILTER_STATE = 1;
const BASE64 = 2;

/** What the rules make of TLVs: dynamic metadata or filter state of the connection. */
export function compileTlvRules(config: Config): (tlvs: readonly ProxyTlv[], facts: ListenerFacts) => void {
  const inState = (config.tlvLocation as number) === FILTER_STATE;
  const rules = new Map(config.rules.map(({ tlvType, onTlvPresent }) => [tlvType, onTlvPresent]));
  if (rules.size === 0) return () => {};
  return (tlvs, facts) => {
    for (const { type, value } of tlvs) {
      const rule = rules.get(type);
      if (rule === undefined) continue;
      const text =
        (rule.valueStringEncoding as number) === BASE64 ? value.toString("base64") : sanitized(value);
      if (inState) {
        facts.filterState ??= new Map();
        entries(facts.filterState as Map<string, Record<string, unknown>>, TLV_STATE)[rule.key] = text;
      } else {
        const namespace = rule.metadataNamespace === "" ? NAMESPACE : rule.metadataNamespace;
        entries((facts.dynamicMetadata ??= new Map()), namespace)[rule.key] = text;
      }
    }
  };
}

function entries(map: Map<string, Record<string, unknown>>, key: string): Record<string, unknown> {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = {}));
  return found;
}

/** The value as UTF-8; what is none becomes "!", as in Envoy. */
function sanitized(value: Buffer): string {
  return value.toString("utf8").replaceAll("\ufffd", "!");
}
