import { headerId, type HeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { HttpFilter, HttpFilterContext, HttpFilterDef, StreamInfo } from "../../proxy/api.ts";

type Mutation = Messages["envoy.config.common.mutation_rules.v3.HeaderMutation"];
type Apply = (headers: HeaderMap, info: StreamInfo) => void;

/** HeaderValueOption.HeaderAppendAction. */
const APPEND = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_OR_ADD = 2;
const OVERWRITE_IF_EXISTS = 3;

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
  readonly #onRequest: readonly Apply[];
  readonly #onResponse: readonly Apply[];
  readonly #info: StreamInfo;

  constructor(onRequest: readonly Apply[], onResponse: readonly Apply[], info: StreamInfo) {
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

function compile(mutations: readonly Mutation[], context: HttpFilterContext): Apply[] {
  return mutations.map(({ action }) => {
    if (action.case === "remove") {
      const name = action.value.toLowerCase();
      return (headers) => void headers.remove(name);
    }
    if (action.case === "append") return compileAppend(action.value, context);
    throw new Error(`header_mutation: ${action.case ?? "a mutation without an action"} is not supported`);
  });
}

function compileAppend(
  option: Messages["envoy.config.core.v3.HeaderValueOption"],
  context: HttpFilterContext,
): Apply {
  const name = (option.header?.key ?? "").toLowerCase();
  if (name === "") throw new Error("header_mutation: append needs header.key");
  const id = headerId(name);
  const text = Buffer.from(option.header?.value ?? "", "utf8").toString("latin1");
  const format = text.includes("%") ? context.format(text) : () => text;
  const { appendAction: action, keepEmptyValue } = option;
  return (headers, info) => {
    const exists = id === 0 ? headers.has(name) : headers.hasId(id);
    if ((action === ADD_IF_ABSENT && exists) || (action === OVERWRITE_IF_EXISTS && !exists)) return;
    const value = format(info);
    if (value === "" && !keepEmptyValue) return;
    if (action === APPEND || action === ADD_IF_ABSENT) add(headers, id, name, value);
    else if (action === OVERWRITE_OR_ADD || action === OVERWRITE_IF_EXISTS) headers.set(name, value);
  };
}

function add(headers: HeaderMap, id: HeaderId, name: string, value: string): void {
  if (id === 0) headers.add(name, value);
  else headers.addId(id, value);
}
