// What all configuration sources have in common: how a watch is told of resources, and how they are opened.
import type { MessageOf } from "../proto/registry.ts";
import type { XdsType } from "./types.ts";

export type Node = MessageOf<"envoy.config.core.v3.Node">;
export type Any = MessageOf<"google.protobuf.Any">;

/** One resource as it came. */
export interface Resource {
  readonly name: string;
  /** The resource itself, decoded and checked against its validation rules. */
  readonly message: MessageOf<XdsType["message"]>;
  /** Its encoded form, to tell changed from unchanged. */
  readonly bytes: Uint8Array;
}

/** Why a watch has nothing new. */
export type FailureKind =
  /** The server cannot be reached, or the stream broke. */
  | "connection"
  /** What came cannot even be read; the running state stays. */
  | "unreadable"
  /** What came cannot be used; the running state stays. */
  | "rejected";

/** What a watch calls. Everything comes on the main thread, never during `watch` itself. */
export interface WatchHandler {
  /** An attempt to get resources begins. */
  onAttempt(): void;
  /** New resources. Throwing rejects them: the message is what the server is told. */
  onResources(resources: readonly Resource[], version: string): void;
  onFailure(kind: FailureKind, detail: string): void;
}

/** An open watch. */
export interface Watch {
  close(): void;
}

/** Turns packed resources into checked ones. Throws an Error with Envoy's text if one is bad. */
export type ResourceDecoder = (type: XdsType, resources: readonly Any[]) => Resource[];
