import { describeError } from "../../base/describe-error.ts";

/** Texts that together are the configuration, by name. Who writes a document knows its format; the store does not. */
export type Documents = Readonly<Record<string, string>>;

/** What is to be said of a change of the configuration. */
export interface RevisionDraft {
  /** Wall clock, milliseconds. */
  readonly time: number;
  /** Who: a user, or the part of the control plane that decided. */
  readonly by: string;
  /** From where: "file mesh.yaml", "api", "deployment of users". */
  readonly source: string;
  /** What changed, and why. */
  readonly message: string;
  /** The whole configuration after the change, not the difference. */
  readonly documents: Documents;
}

/** One state that the configuration was in. */
export interface Revision extends RevisionDraft {
  /** 1, 2, 3, …: each follows the one before it; none is ever changed. */
  readonly number: number;
}

export type RevisionSummary = Omit<Revision, "documents">;

/** Somebody else changed the configuration first: read the head again, decide again, try again. */
export class RevisionConflict extends Error {
  readonly head: number;

  constructor(expected: number, head: number) {
    super(`Cannot add revision ${expected + 1}: the newest is ${head} by now; read it and try again`);
    this.name = "RevisionConflict";
    this.head = head;
  }
}

/** The store cannot be reached now: what is in force stays, and nothing is changed. */
export class StoreUnavailable extends Error {
  constructor(what: string, cause: unknown) {
    super(`Cannot reach ${what}: ${describeError(cause)}; nothing is changed, try again`, { cause });
    this.name = "StoreUnavailable";
  }
}

/**
 * The history of the configuration, shared by all control planes that open it. Appending is compare-and-swap on the newest
 * number, so of several writers that start from the same state one wins and the others decide anew.
 */
export interface RevisionStore {
  /** Why the history cannot be followed now; "" while it can. */
  readonly trouble: string;
  /** The newest; undefined while there is none. */
  head(): Promise<Revision | undefined>;
  /** Undefined when there is none of this number, or it is no longer kept. */
  get(number: number): Promise<Revision | undefined>;
  /** The newest first. @param before only numbers below it */
  list(limit: number, before?: number): Promise<readonly RevisionSummary[]>;
  /**
   * Adds number `expected` + 1. It survives the death of the process once this resolves.
   * Throws a RevisionConflict when the newest is no longer `expected` (0: none yet).
   */
  append(expected: number, draft: RevisionDraft): Promise<Revision>;
  /** Waits for the newest after `after`; numbers in between may be passed over. Undefined when the signal aborts first. */
  next(after: number, signal: AbortSignal): Promise<Revision | undefined>;
  close(): Promise<void>;
}
