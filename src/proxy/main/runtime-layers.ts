import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { MessageOf } from "../../proto/registry.ts";

type LayeredRuntime = MessageOf<"envoy.config.bootstrap.v3.LayeredRuntime">;
export type RuntimeValue = string | number | boolean;

interface Layer {
  readonly name: string;
  readonly admin: boolean;
  readonly values: Map<string, RuntimeValue>;
}

/** The runtime's layers of the bootstrap, the last one wins; POST /runtime_modify changes the admin layer. */
export class RuntimeLayers {
  readonly #layers: Layer[];

  /** Throws an Error if a disk layer cannot be read. */
  constructor(config: LayeredRuntime | undefined, serviceCluster: string) {
    this.#layers = (config?.layers ?? []).map((layer) => {
      const { name, layerSpecifier: specifier } = layer;
      switch (specifier.case) {
        case "staticLayer":
          return { name, admin: false, values: flatten(specifier.value) };
        case "diskLayer": {
          const { symlinkRoot, subdirectory, appendServiceCluster } = specifier.value;
          const root = join(symlinkRoot, subdirectory, appendServiceCluster ? serviceCluster : "");
          return { name, admin: false, values: readLayer(root) };
        }
        default:
          return { name, admin: specifier.case === "adminLayer", values: new Map() };
      }
    });
  }

  /** Number of keys that the admin layer sets. */
  get overrides(): number {
    return this.#layers.find(({ admin }) => admin)?.values.size ?? 0;
  }

  /** Sets keys of the admin layer; "" takes a key away. Returns false if there is no such layer. */
  modify(changes: readonly (readonly [key: string, value: string])[]): boolean {
    const layer = this.#layers.find(({ admin }) => admin);
    if (layer === undefined) return false;
    for (const [key, value] of changes) {
      if (value === "") layer.values.delete(key);
      else layer.values.set(key, parseValue(value));
    }
    return true;
  }

  /** All keys with what counts. */
  merged(): Record<string, RuntimeValue> {
    const values: Record<string, RuntimeValue> = {};
    for (const layer of this.#layers) for (const [key, value] of layer.values) values[key] = value;
    return values;
  }

  /** All layers with what they set. */
  layers(): { readonly name: string; readonly values: Readonly<Record<string, RuntimeValue>> }[] {
    return this.#layers.map(({ name, values }) => ({ name, values: Object.fromEntries(values) }));
  }
}

/** "a: {b: 1}" and "a.b: 1" are the same key. */
function flatten(json: unknown): Map<string, RuntimeValue> {
  const values = new Map<string, RuntimeValue>();
  const walk = (prefix: string, value: unknown): void => {
    if (value === null || value === undefined) return;
    if (typeof value === "object") {
      for (const [key, inner] of Object.entries(value)) walk(prefix === "" ? key : `${prefix}.${key}`, inner);
    } else values.set(prefix, value as RuntimeValue);
  };
  walk("", json);
  return values;
}

function readLayer(directory: string): Map<string, RuntimeValue> {
  const values = new Map<string, RuntimeValue>();
  const walk = (path: string, prefix: string): void => {
    for (const entry of readdirSync(path)) {
      if (entry.startsWith(".")) continue;
      const full = join(path, entry);
      const key = prefix === "" ? entry : `${prefix}.${entry}`;
      if (statSync(full).isDirectory()) walk(full, key);
      else values.set(key, parseValue(textOf(full)));
    }
  };
  try {
    walk(directory, "");
  } catch (error) {
    // As in Envoy, a layer whose directory is missing is empty.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return values;
}

function textOf(path: string): string {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .trim();
}

function parseValue(text: string): RuntimeValue {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
