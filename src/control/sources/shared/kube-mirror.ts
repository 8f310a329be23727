import { z } from "zod";
import type { Endpoint } from "../../model.ts";
import type { PartReading } from "./parts.ts";
import { ServiceMap } from "./service-map.ts";

/** What one object says of services; a service without endpoints is stated to have none here. */
export type KubeContent = readonly { readonly service: string; readonly endpoints: readonly Endpoint[] }[];

/** Reads an object; tells why it has no endpoints. Throws an Error when it makes no sense. */
export type KubeParse = (object: unknown, note: (reason: string | undefined) => void) => KubeContent;

/** Told why an object, `namespace/name`, has no endpoints; undefined when it has some again or is gone. */
export type KubeNote = (subject: string, reason: string | undefined) => void;

const identity = z.looseObject({ metadata: z.looseObject({ name: z.string(), namespace: z.string() }) });

interface Entry {
  readonly content: KubeContent;
  /** The object makes no sense; the content is that of the last one that did. */
  readonly bad: boolean;
}

/**
 * The objects of one collection. What a watch says is meant; objects that are missing in a later list went for a reason
 * that nobody knows, until the watch says more of the service.
 */
export class KubeMirror {
  readonly #parse: KubeParse;
  readonly #warn: (message: string) => void;
  readonly #note: KubeNote;
  readonly #entries = new Map<string, Entry>();
  readonly #doubted = new Set<string>();
  #listed = false;
  /** Services whose last object was deleted. */
  readonly deleted = new Set<string>();

  constructor(parse: KubeParse, warn: (message: string) => void, note: KubeNote = () => {}) {
    this.#parse = parse;
    this.#warn = warn;
    this.#note = note;
  }

  replace(objects: readonly unknown[]): void {
    const before = new Map(this.#entries);
    this.#entries.clear();
    for (const object of objects) this.#put(object, before);
    for (const [key, entry] of before) {
      if (this.#entries.has(key)) continue;
      this.#note(key, undefined);
      for (const { service } of entry.content) this.#doubted.add(service);
    }
    if (!this.#listed)
      for (const { content } of this.#entries.values())
        for (const { service } of content) this.#doubted.add(service);
    this.#listed = true;
  }

  put(object: unknown): void {
    const content = this.#put(object, this.#entries);
    for (const { service } of content) this.#doubted.delete(service);
  }

  delete(object: unknown): void {
    const key = keyOf(object);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#note(key, undefined);
    const left = new Set(
      [...this.#entries.values()].flatMap(({ content }) => content.map(({ service }) => service)),
    );
    for (const { service } of entry.content) {
      this.#doubted.delete(service);
      if (!left.has(service)) this.deleted.add(service);
    }
  }

  reading(): PartReading {
    const services = new ServiceMap();
    for (const { content, bad } of this.#entries.values()) {
      for (const { service, endpoints } of content) {
        services.know(service, !this.#doubted.has(service));
        if (bad) services.addUnreadable(service);
        for (const endpoint of endpoints) services.add(service, endpoint);
      }
    }
    return services.readings();
  }

  #put(object: unknown, before: ReadonlyMap<string, Entry>): KubeContent {
    const key = keyOf(object);
    const known = before.get(key);
    let entry: Entry;
    try {
      entry = { content: this.#parse(object, (reason) => this.#note(key, reason)), bad: false };
      // What an object no longer names (a label was changed) is stated to be gone from there.
      const left = new Set(entry.content.map(({ service }) => service));
      for (const { service } of known?.content ?? []) if (!left.has(service)) this.#gone(service, key);
    } catch (error) {
      this.#warn(`leaving out ${key}: ${(error as Error).message}`);
      this.#note(key, (error as Error).message);
      entry = { content: known?.content ?? [], bad: true };
    }
    this.#entries.set(key, entry);
    for (const { service } of entry.content) this.deleted.delete(service);
    return entry.content;
  }

  #gone(service: string, except: string): void {
    for (const [key, { content }] of this.#entries)
      if (key !== except && content.some((each) => each.service === service)) return;
    this.deleted.add(service);
  }
}

function keyOf(object: unknown): string {
  const parsed = identity.safeParse(object);
  if (!parsed.success) throw new Error("an object has no name and namespace");
  return `${parsed.data.metadata.namespace}/${parsed.data.metadata.name}`;
}
