import type { Hold } from "../catalog/hold.ts";
import type { SourcedEndpoint } from "../model.ts";
import type { SourceNote } from "../catalog/source-notes.ts";

/** The way of a service or an endpoint, from its sources to each proxy. */
export interface Explanation {
  readonly query: string;
  /** The answer in one sentence for each service. */
  readonly verdicts: readonly string[];
  readonly sources: readonly SourceExplanation[];
  readonly services: readonly ServiceExplanation[];
  /** What sources left out that has to do with the query. */
  readonly left_out: readonly (SourceNote & { readonly source: string })[];
}

/** Whether a source can be trusted to know. */
export interface SourceExplanation {
  readonly name: string;
  /** Seconds since it was last read; null = never. */
  readonly age_seconds: number | null;
  readonly error: string;
}

export interface ServiceExplanation {
  readonly service: string;
  /** The one endpoint that is asked about; "" = all. */
  readonly endpoint: string;
  /** Why proxies are not told of the service; "" when they are. */
  readonly refused: string;
  readonly sources: readonly PartExplanation[];
  /** After holds and merging: what proxies are told. */
  readonly merged: readonly MergedEndpoint[];
  readonly nodes: readonly NodeExplanation[];
}

/** What one source says of the service. */
export interface PartExplanation {
  readonly source: string;
  /** Endpoints as the source says it; null when it does not name the service. */
  readonly reported: readonly string[] | null;
  /** As it is believed. */
  readonly believed: readonly string[] | null;
  readonly hold: Hold | null;
}

export interface MergedEndpoint extends SourcedEndpoint {
  readonly address: string;
  /** Kept although its source no longer says it. */
  readonly held: boolean;
}

/** What one proxy has of it. */
export interface NodeExplanation {
  readonly node: string;
  readonly view: string;
  readonly peer: string;
  /** Why it has nothing of the service; "" when it has. */
  readonly reason: string;
  readonly clusters: readonly ClusterExplanation[];
}

export interface ClusterExplanation {
  readonly cluster: string;
  /** Whether the endpoint is in it, how many there are when all are asked about. */
  readonly endpoints: number;
  readonly state: "accepted" | "sent" | "waiting" | "rejected" | "not asked for";
  readonly version: string;
  /** What the proxy said when it rejected it, or what it waits for. */
  readonly detail: string;
}
