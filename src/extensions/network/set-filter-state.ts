import { ignored } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type {
  NetworkFilterContext,
  NetworkFilterDef,
  PassingFilterFactory,
  StreamInfo,
} from "../../proxy/api.ts";
import { CLUSTER_STATE } from "./tcp-proxy/settings.ts";

type Value = Messages["envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue"];

/** Kinds of objects that are a text. */
const TEXTS = new Set(["envoy.string", "envoy.hashable_string", CLUSTER_STATE]);

/** envoy.filters.network.set_filter_state: leaves texts for filters after it and for logs. */
export const networkSetFilterState: NetworkFilterDef<
  "envoy.extensions.filters.network.set_filter_state.v3.Config",
  PassingFilterFactory
> = {
  name: "envoy.filters.network.set_filter_state",
  config: "envoy.extensions.filters.network.set_filter_state.v3.Config",
  ledger: {
    "envoy.extensions.filters.network.set_filter_state.v3.Config": [
      "on_new_connection",
      "on_downstream_tls_handshake",
    ],
    "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue": [
      "object_key",
      "factory_key",
      "format_string",
      ignored("read_only", "nothing writes a value twice that must not"),
      ignored("shared_with_upstream", "upstream filters are not supported"),
      "skip_if_empty",
    ],
  },
  create(config, context) {
    const always = config.onNewConnection.map((value) => setter(value, context));
    // Filters see a connection after its handshake.
    const secure = config.onDownstreamTlsHandshake.map((value) => setter(value, context));
    return {
      attach({ downstream }) {
        for (const set of always) set(downstream.record);
        if (downstream.info.tls) for (const set of secure) set(downstream.record);
        return undefined;
      },
    };
  },
};

function setter({ key, factoryKey, value, skipIfEmpty }: Value, context: NetworkFilterContext) {
  const name = key.value ?? "";
  const factory = factoryKey === "" ? name : factoryKey;
  if (!TEXTS.has(factory)) throw new Error(`'${factory}' does not have an object factory`);
  const format = context.format(value.value!);
  return (record: StreamInfo): void => {
    const text = format(record);
    if (text === "" && skipIfEmpty) return;
    const { connection } = record;
    record.filterState = connection.filterState ??= new Map();
    connection.filterState.set(name, text);
  };
}
