import { systemClock } from "../../../base/clock.ts";
import { instanceSchema, serviceSchema } from "./document.ts";
import type { EtcdChange, EtcdKey, EtcdRange } from "../../../etcd/etcd-client.ts";
import { ServiceMap } from "./service-map.ts";
import type { Endpoint, Reading } from "../../model.ts";

interface Entry {
  readonly service: string;
  readonly leased: boolean;
  readonly endpoints: readonly Endpoint[];
  /** The value makes no sense; the endpoints are those of the last one that did. */
  readonly bad: boolean;
}

/** Losses without a stated reason are remembered this long. */
const DOUBT_MS = 3_600_000;

/** The keys of a prefix, kept by what the watch says. */
export class EtcdMirror {
  readonly #prefix: string;
  readonly #warn: (message: string) => void;
  readonly #entries = new Map<string, Entry>();
  /** Keys that went for a reason that nobody knows, by service, and when. */
  readonly #doubts = new Map<string, Map<string, number>>();
  /** Services that have or had keys. */
  readonly #services = new Set<string>();
  #revision = 0;

  constructor(prefix: string, warn: (message: string) => void) {
    this.#prefix = prefix;
    this.#warn = warn;
  }

  /** The newest revision that is in it; 0 = it was never filled. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes all keys. How those that are gone went is not known. */
  replace({ revision, keys }: EtcdRange): void {
    const present = new Set(keys.map(({ key }) => key));
    for (const key of this.#entries.keys()) if (!present.has(key)) this.#remove(key, false);
    for (const key of keys) this.#put(key);
    this.#revision = revision;
  }

  apply({ revision, events }: EtcdChange): void {
    for (const { key, put } of events) {
      if (put === undefined) this.#remove(key, true);
      else this.#put(put);
    }
    this.#revision = Math.max(this.#revision, revision);
  }

  reading(): Reading {
    const services = new ServiceMap();
    const now = systemClock.wall();
    for (const service of this.#services) {
      const doubts = this.#doubts.get(service);
      for (const [key, since] of doubts ?? []) if (now - since > DOUBT_MS) doubts!.delete(key);
      services.know(service, (doubts?.size ?? 0) === 0);
    }
    for (const { service, endpoints, bad } of this.#entries.values()) {
      if (bad) services.addUnreadable(service);
      for (const endpoint of endpoints) services.add(service, endpoint);
    }
    return { kind: "ok", services: services.readings() };
  }

  #put({ key, value, leased }: EtcdKey): void {
    const rest = key.slice(this.#prefix.length).replace(/^\//, "");
    const slash = rest.indexOf("/");
    const service = slash < 0 ? rest : rest.slice(0, slash);
    if (service === "") return;
    this.#services.add(service);
    this.#doubts.get(service)?.delete(key);
    const endpoints = this.#parse(key, value, slash < 0);
    const before = this.#entries.get(key)?.endpoints ?? [];
    this.#entries.set(key, { service, leased, endpoints: endpoints ?? before, bad: endpoints === undefined });
  }

  #remove(key: string, watched: boolean): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    if (watched && !entry.leased) return;
    let doubts = this.#doubts.get(entry.service);
    if (doubts === undefined) this.#doubts.set(entry.service, (doubts = new Map()));
    doubts.set(key, systemClock.wall());
  }

  #parse(key: string, value: string, whole: boolean): readonly Endpoint[] | undefined {
    let content: unknown;
    try {
      content = JSON.parse(value);
    } catch {
      this.#warn(`leaving out the value of "${key}": it is not JSON`);
      return undefined;
    }
    const parsed = whole ? serviceSchema.safeParse(content) : instanceSchema.safeParse(content);
    if (parsed.success) return "instances" in parsed.data ? parsed.data.instances : [parsed.data];
    const { path, message } = parsed.error.issues[0]!;
    this.#warn(
      `leaving out the value of "${key}": ${path.length === 0 ? "" : `${path.join(".")}: `}${message}`,
    );
    return undefined;
  }
}
