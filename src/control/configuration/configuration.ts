import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../../base/load-config.ts";
import { deploymentSchema, isActive, sharesOf, type Deployment } from "../deployments/deployment.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { settingsFor } from "../policy/settings-for.ts";
import type { SourceLog } from "../catalog/source.ts";
import {
  RevisionConflict,
  type Documents,
  type Revision,
  type RevisionStore,
} from "../store/revision-store.ts";

/** Names of the documents of a revision. */
const POLICY = "policy";
/** The policy file as it was last read: it counts only when it changes, so that a rollback outlives a restart. */
const POLICY_FILE = "policy_file";
const DEPLOYMENTS = "deployments";

/** Who changes the configuration, and why. */
export interface ChangeNote {
  readonly by: string;
  readonly source: string;
  readonly message: string;
}

export type Deployments = Readonly<Record<string, Deployment>>;

const ATTEMPTS = 10;
/** Pause after the store could not be read. */
const RETRY_MS = 500;
const NO_LOG: SourceLog = { info: () => {}, warn: () => {} };

/**
 * What is in force: the policy and the deployments on top of it, as the newest revision has them. Every change is a revision;
 * what other control planes append to the same store counts here, too.
 */
export class Configuration {
  readonly store: RevisionStore;
  readonly #log: SourceLog;
  readonly #now: () => number;
  #onChange: () => void = () => {};
  #toldOfRollback = 0;
  #revision: Revision | undefined;
  readonly #fallback: MeshPolicy;
  #policy: MeshPolicy;
  #deployments: Deployments = {};

  /** Reads the newest revision. Throws an Error when it cannot be understood. */
  static async open(options: {
    store: RevisionStore;
    log: SourceLog;
    /** Wall clock, milliseconds. */
    now: () => number;
    /** The policy while no revision has one. */
    fallback: MeshPolicy;
  }): Promise<Configuration> {
    const configuration = new Configuration(options.store, options.log, options.now, options.fallback);
    const head = await options.store.head();
    if (head !== undefined) configuration.#take(head);
    return configuration;
  }

  private constructor(store: RevisionStore, log: SourceLog, now: () => number, fallback: MeshPolicy) {
    this.store = store;
    this.#fallback = fallback;
    this.#policy = fallback;
    this.#log = log;
    this.#now = now;
  }

  /** What runs after something else is in force. */
  set onChange(listener: () => void) {
    this.#onChange = listener;
  }

  /** The policy with the shares of all deployments. */
  get policy(): MeshPolicy {
    return this.#policy;
  }

  get deployments(): Deployments {
    return this.#deployments;
  }

  /** Number of the revision in force; 0 when there is none. */
  get revision(): number {
    return this.#revision?.number ?? 0;
  }

  /** What would be in force with this text as the policy file. Throws a ConfigError for what is wrong with it. */
  preview(text: string): MeshPolicy {
    const policy = loadPolicy(text, "policy");
    return withShares(policy, stillValid(this.#deployments, this.#revision?.documents[POLICY], text, NO_LOG));
  }

  /** Takes the text of the policy file, which must be good, unless it is the one that was last taken. */
  async takePolicyFile(text: string, file: string): Promise<void> {
    const note = { by: "file", source: `file ${file}`, message: "the policy file changed" };
    await this.change(note, (documents) => {
      if (documents[POLICY_FILE] === text) return undefined;
      const deployments = stillValid(readDeployments(documents), documents[POLICY], text, this.#log);
      return {
        ...documents,
        [POLICY]: text,
        [POLICY_FILE]: text,
        [DEPLOYMENTS]: JSON.stringify(deployments),
      };
    });
    if (this.#revision?.documents[POLICY] === text || this.#toldOfRollback === this.revision) return;
    this.#toldOfRollback = this.revision;
    this.#log.warn(`the policy in force is not that of "${file}": it was rolled back to an earlier one`);
  }

  /** Goes back to what was in force at a revision; deployments since then end. Throws an Error when it is not kept. */
  async rollBack(number: number, by: string): Promise<Revision> {
    const target = await this.store.get(number);
    if (target === undefined) throw new Error(`There is no revision ${number}`);
    const note = { by, source: "api", message: `roll back to revision ${number} (${target.message})` };
    const bringBack = (documents: Documents): Documents => {
      const deployments = Object.fromEntries(
        Object.entries(readDeployments(target.documents)).map(([service, each]) => [
          service,
          isActive(each)
            ? { ...each, phase: "paused" as const, reason: `rolled back to revision ${number}` }
            : each,
        ]),
      );
      return {
        ...documents,
        [POLICY]: target.documents[POLICY] ?? "",
        [DEPLOYMENTS]: JSON.stringify(deployments),
      };
    };
    const changed = await this.change(note, bringBack, true);
    return changed ?? this.#revision!;
  }

  /** Changes the deployments. `update` may throw to refuse, or give undefined to leave all as it is. */
  async changeDeployments(
    note: ChangeNote,
    update: (deployments: Deployments) => Deployments | undefined,
  ): Promise<Revision | undefined> {
    return this.change(note, (documents) => {
      const next = update(readDeployments(documents));
      return next === undefined ? undefined : { ...documents, [DEPLOYMENTS]: JSON.stringify(next) };
    });
  }

  /**
   * Appends a revision. When somebody else was faster, `update` sees what they made. Undefined when nothing is to change.
   * @param overAny also over a revision that cannot be used, which is otherwise an Error
   */
  async change(
    note: ChangeNote,
    update: (documents: Documents) => Documents | undefined,
    overAny = false,
  ): Promise<Revision | undefined> {
    let base = this.#revision;
    for (let attempt = 1; ; attempt++) {
      const documents = update(base?.documents ?? {});
      if (documents === undefined) return undefined;
      try {
        const draft = { time: this.#now(), ...note, documents };
        const revision = await this.store.append(base?.number ?? 0, draft);
        this.#take(revision);
        return revision;
      } catch (error) {
        if (!(error instanceof RevisionConflict) || attempt === ATTEMPTS) throw error;
        base = await this.store.head();
        if (base !== undefined && !overAny) this.#take(base);
      }
    }
  }

  /** Takes what others append, until the signal says stop. While the store cannot be read, what is in force stays. */
  async follow(signal: AbortSignal): Promise<void> {
    let unusable = 0;
    let failing = false;
    while (!signal.aborted) {
      let next: Revision | undefined;
      try {
        next = await this.store.next(Math.max(this.revision, unusable), signal);
        failing = false;
      } catch (error) {
        if (!failing) this.#log.warn(`cannot read the newest revision: ${(error as Error).message}`);
        failing = true;
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
        continue;
      }
      if (next === undefined) return;
      try {
        this.#take(next);
      } catch (error) {
        unusable = next.number;
        this.#log.warn(`revision ${next.number} cannot be used: ${(error as Error).message}`);
      }
    }
  }

  #take(revision: Revision): void {
    if (revision.number <= this.revision) return;
    const text = revision.documents[POLICY] ?? "";
    const policy = text === "" ? this.#fallback : loadPolicy(text, `revision ${revision.number}`);
    const deployments = readDeployments(revision.documents);
    this.#policy = withShares(policy, deployments);
    this.#deployments = deployments;
    this.#revision = revision;
    this.#log.info(`revision ${revision.number} by ${revision.by}: ${revision.message}`);
    this.#onChange();
  }
}

function readDeployments(documents: Documents): Deployments {
  const text = documents[DEPLOYMENTS];
  if (text === undefined) return {};
  const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([service, value]) => [service, deploymentSchema.parse(value)]));
}

function withShares(policy: MeshPolicy, deployments: Deployments): MeshPolicy {
  const services = { ...policy.services };
  for (const [service, deployment] of Object.entries(deployments))
    services[service] = { ...services[service], split: sharesOf(deployment) };
  return { ...policy, services };
}

/** A policy that says something new of the shares of a service speaks for it from then on. */
function stillValid(
  deployments: Deployments,
  before: string | undefined,
  after: string,
  log: SourceLog,
): Deployments {
  if (Object.keys(deployments).length === 0) return deployments;
  const splitIn = (text: string | undefined, service: string) => {
    if (text === undefined || text === "") return undefined;
    try {
      return JSON.stringify(settingsFor(loadPolicy(text, "policy"), service, []).split);
    } catch (error) {
      if (error instanceof ConfigError) return undefined;
      throw error;
    }
  };
  return Object.fromEntries(
    Object.entries(deployments).filter(([service]) => {
      if (splitIn(before, service) === splitIn(after, service)) return true;
      log.warn(`the policy says a new split for "${service}": its deployment no longer counts`);
      return false;
    }),
  );
}
