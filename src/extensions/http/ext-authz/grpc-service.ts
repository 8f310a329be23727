import type { GrpcClient } from "../../../grpc/client.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { decode } from "../../../proto/registry.ts";
import type { AsyncCall, FactoryContext } from "../../../proxy/api.ts";
import {
  NO_ANSWER,
  type AuthService,
  type Check,
  type HeaderEdit,
  type Verdict,
  type VerdictHandler,
} from "./auth-service.ts";
import type { CheckRequests } from "./check-request.ts";

type GrpcService = Messages["envoy.config.core.v3.GrpcService"];
type HeaderOption = Messages["envoy.config.core.v3.HeaderValueOption"];
type CheckResponse = Messages["envoy.service.auth.v3.CheckResponse"];

const METHOD = "/envoy.service.auth.v3.Authorization/Check";
const DEFAULT_TIMEOUT = 200;
const FORBIDDEN = 403;
/** HeaderValueOption.HeaderAppendAction. */
const ACTIONS = ["add", "add-if-absent", "set", "overwrite-if-exists"] as const;

/** An authorisation service that is asked over gRPC. */
export class GrpcAuthService implements AuthService {
  readonly #client: GrpcClient;
  readonly #requests: CheckRequests;

  /** Refuses services that are not called over a cluster. */
  constructor(service: GrpcService, requests: CheckRequests, context: Pick<FactoryContext, "calls">) {
    this.#client = context.calls.grpc(service, durationMs(service.timeout, DEFAULT_TIMEOUT));
    this.#requests = requests;
  }

  check(check: Check, handler: VerdictHandler): AsyncCall {
    return this.#client.unary(METHOD, this.#requests.encode(check), {
      onResponse: (message) => handler.onVerdict(verdictOf(message)),
      onFailure: () => handler.onVerdict(NO_ANSWER),
    });
  }
}

function verdictOf(message: Buffer): Verdict {
  let response: CheckResponse;
  try {
    response = decode("envoy.service.auth.v3.CheckResponse", message);
  } catch {
    return NO_ANSWER;
  }
  const { httpResponse: http } = response;
  const metadata = metadataOf(response);
  if ((response.status?.code ?? 0) === 0)
    return allowed(http.case === "okResponse" ? http.value : undefined, metadata);
  if (http.case === "errorResponse") {
    const { status, headers, body } = http.value;
    return { kind: "error", status: status?.code ?? 0, headers: replyHeaders(headers), body, metadata };
  }
  if (http.case !== "deniedResponse")
    return { kind: "denied", status: FORBIDDEN, headers: [], body: "", metadata };
  const { status, headers, body } = http.value;
  const code = (status?.code as number | undefined) || FORBIDDEN;
  return { kind: "denied", status: code, headers: replyHeaders(headers), body, metadata };
}

function allowed(
  response: Messages["envoy.service.auth.v3.OkHttpResponse"] | undefined,
  metadata: Verdict["metadata"],
): Verdict {
  if (response === undefined)
    return { kind: "ok", request: [], remove: [], toClient: [], setQuery: [], removeQuery: [], metadata };
  // Actions do not matter here: what is not the older `append: true` overwrites.
  const joined = response.headers.filter(({ append }) => append === true);
  const set = response.headers.filter(({ append }) => append !== true);
  const toClient = response.responseHeadersToAdd.map((option) => edit(option, clientAction(option)));
  return {
    kind: "ok",
    request: [...set.map((option) => edit(option, "set")), ...joined.map((option) => edit(option, "join"))],
    remove: response.headersToRemove.map((name) => name.toLowerCase()),
    toClient: CLIENT_ORDER.flatMap((how) => toClient.filter((each) => each.how === how)),
    setQuery: response.queryParametersToSet.map(
      ({ key, value }) => [headerText(key), headerText(value)] as const,
    ),
    removeQuery: response.queryParametersToRemove.map(headerText),
    metadata,
  };
}

/** In this order changes to the client's response are made. */
const CLIENT_ORDER: readonly HeaderEdit["how"][] = ["add", "set", "add-if-absent", "overwrite-if-exists"];

function clientAction({ append, appendAction }: HeaderOption): HeaderEdit["how"] {
  if (append !== undefined) return append ? "add" : "set";
  return ACTIONS[appendAction] ?? "set";
}

/** Envoy leaves out what has the older `append: true`. */
function replyHeaders(headers: readonly HeaderOption[]): HeaderEdit[] {
  return headers.filter(({ append }) => append !== true).map((option) => edit(option, "add"));
}

function edit({ header }: HeaderOption, how: HeaderEdit["how"]): HeaderEdit {
  return { name: (header?.key ?? "").toLowerCase(), value: headerText(header?.value ?? ""), how };
}

/** Header bytes are latin1 characters inside; protobuf's text is Unicode. */
function headerText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The older field of ok_response wins. */
function metadataOf({ httpResponse, dynamicMetadata }: CheckResponse): Verdict["metadata"] {
  const older = httpResponse.case === "okResponse" ? httpResponse.value.dynamicMetadata : undefined;
  const found = older ?? dynamicMetadata;
  return found === undefined || Object.keys(found).length === 0 ? undefined : found;
}
