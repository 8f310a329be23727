import type { AsyncCall, FilterStream, HeaderMap } from "../../../proxy/api.ts";

/** What an authorisation service is asked about. */
export interface Check {
  readonly stream: FilterStream;
  readonly headers: HeaderMap;
  /** Undefined where bodies are not sent, and for requests without one. */
  readonly body: Buffer | undefined;
  /** Whether `body` is only the beginning. */
  readonly partial: boolean;
  /** Whether the body goes as bytes rather than text. */
  readonly packAsBytes: boolean;
  /** What routes tell the service. */
  readonly contextExtensions: ContextExtensions;
}

export type ContextExtensions = Readonly<Record<string, string>>;

/** One change to a head. "join" appends to a value that is there, "add-if-exists" adds a line to one that is there. */
export interface HeaderEdit {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  readonly how: "set" | "join" | "add" | "add-if-exists" | "add-if-absent" | "overwrite-if-exists";
}

/** What the service's answer comes to. Edits stand in the order in which they apply. */
export type Verdict =
  | {
      readonly kind: "ok";
      readonly request: readonly HeaderEdit[];
      readonly remove: readonly string[];
      readonly toClient: readonly HeaderEdit[];
      readonly setQuery: readonly (readonly [name: string, value: string])[];
      readonly removeQuery: readonly string[];
      readonly metadata: DynamicMetadata | undefined;
    }
  | Refusal
  | {
      /** The service could not decide, or could not be asked. */
      readonly kind: "error";
      /** 0 = the configured one. */
      readonly status: number;
      readonly headers: readonly HeaderEdit[];
      readonly body: string;
      readonly metadata: DynamicMetadata | undefined;
    };

export type DynamicMetadata = Readonly<Record<string, unknown>>;

export interface Refusal {
  readonly kind: "denied";
  readonly status: number;
  readonly headers: readonly HeaderEdit[];
  readonly body: string;
  readonly metadata: DynamicMetadata | undefined;
}

export interface VerdictHandler {
  onVerdict(verdict: Verdict): void;
}

/** Who decides. */
export interface AuthService {
  /** Calls back exactly once, at once or later, unless cancelled. */
  check(check: Check, handler: VerdictHandler): AsyncCall;
}

/** The verdict where the service could not be asked. */
export const NO_ANSWER: Verdict = { kind: "error", status: 0, headers: [], body: "", metadata: undefined };
