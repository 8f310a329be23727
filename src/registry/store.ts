import type { Change, Instance, InstanceId } from "./model.ts";

/** Grows with every durable change, across restarts, and also when a lost store is begun anew. */
export type Revision = number;

/** What happened after a revision. */
export interface ChangeBatch {
  /** Where to go on from. */
  readonly revision: Revision;
  /** The history that was asked for is not kept: `changes` is the whole content, and what is not in it is gone. */
  readonly reset: boolean;
  readonly changes: readonly Change[];
  /** With `reset`: every known service, also those without instances. */
  readonly services?: readonly string[];
}

/** Turns what is stored under an identity into what shall be: the same object for no change, undefined to remove it. Pure; may throw to refuse. */
export type Update = (current: Instance | undefined) => Instance | undefined;

/**
 * Where instances live. All updates are serialised; one that resolved is seen by every later read and survives the
 * death of the process. Only an update that does no more than move a lease's times (see isRenewal) is written late, makes no
 * revision, and may be lost with the process. Services are known from their first instance on until they are forgotten by request.
 */
export interface RegistryStore {
  readonly revision: Revision;
  /** How many wait for a change. */
  readonly watchers: number;
  get(id: InstanceId): Promise<Instance | undefined>;
  /** Of one service: undefined when the service is unknown, and an empty list when it is known without instances. */
  list(service: string): Promise<readonly Instance[] | undefined>;
  all(): Promise<readonly Instance[]>;
  services(): Promise<readonly string[]>;
  /** Reads, changes and writes one instance in one step; gives what is now stored. */
  update(id: InstanceId, update: Update): Promise<Instance | undefined>;
  /** Forgets a service and the records of its gone instances; gives false when it was not known. Throws a Refusal (409) while it has live ones. */
  forget(service: string): Promise<boolean>;
  /** Waits for changes after `from`; gives undefined when `signal` aborts first. */
  next(from: Revision, signal: AbortSignal): Promise<ChangeBatch | undefined>;
  close(): Promise<void>;
}

/** All batches after `from`, until `signal` aborts. */
export async function* watch(
  store: RegistryStore,
  from: Revision,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch> {
  let at = from;
  while (!signal.aborted) {
    const batch = await store.next(at, signal);
    if (batch === undefined) return;
    at = batch.revision;
    yield batch;
  }
}
