import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { HttpFilter, HttpFilterContext, HttpFilterDef, StreamInfo } from "../../proxy/api.ts";
import { compileHeaderOption, type HeaderChange } from "./header-options.ts";

type Mutation = Messages["envoy.config.common.mutation_rules.v3.HeaderMutation"];

/** envoy.filters.http.header_mutation: changes request and response headers, one mutation after the other. */
export const headerMutation: HttpFilterDef<"envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"> =
  {
    name: "envoy.filters.http.header_mutation",
    config: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    ledger: {
      "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": ["mutations"],
      "envoy.extensions.filters.http.header_mutation.v3.Mutations": [
        "request_mutations",
        "response_mutations",
      ],
      "envoy.config.common.mutation_rules.v3.HeaderMutation": ["remove", "append"],
      "envoy.config.core.v3.HeaderValueOption": ["header", "append_action", "keep_empty_value"],
      "envoy.config.core.v3.HeaderValue": ["key", "value"],
    },
    create(config, context) {
      const onRequest = compile(config.mutations?.requestMutations ?? [], context);
      const onResponse = compile(config.mutations?.responseMutations ?? [], context);
      return (stream) => new HeaderMutationFilter(onRequest, onResponse, stream.info);
    },
  };

class HeaderMutationFilter implements HttpFilter {
  readonly #onRequest: readonly HeaderChange[];
  readonly #onResponse: readonly HeaderChange[];
  readonly #info: StreamInfo;

  constructor(onRequest: readonly HeaderChange[], onResponse: readonly HeaderChange[], info: StreamInfo) {
    this.#onRequest = onRequest;
    this.#onResponse = onResponse;
    this.#info = info;
  }

  onRequestHeaders(headers: HeaderMap): "continue" {
    for (let i = 0; i < this.#onRequest.length; i++) this.#onRequest[i]!(headers, this.#info);
    return "continue";
  }

  onResponseHeaders(headers: HeaderMap): "continue" {
    for (let i = 0; i < this.#onResponse.length; i++) this.#onResponse[i]!(headers, this.#info);
    return "continue";
  }
}

function compile(mutations: readonly Mutation[], context: HttpFilterContext): HeaderChange[] {
  return mutations.map(({ action }) => {
    if (action.case === "remove") {
      const name = action.value.toLowerCase();
      return (headers) => void headers.remove(name);
    }
    if (action.case === "append") return compileHeaderOption(action.value, "header_mutation", context.format);
    throw new Error(`header_mutation: ${action.case ?? "a mutation without an action"} is not supported`);
  });
}
