import { readFileSync } from "node:fs";
import type { JsonValue } from "@bufbuild/protobuf";
import { parseDocument } from "yaml";
import { V2Converter, type JsonObject } from "./v2-to-v3.ts";

/** A file of Rotor's static resources, in Envoy's v3 form. */
export interface RotorStaticResources {
  readonly clusters: JsonValue[];
  readonly listeners: JsonValue[];
  readonly loadAssignments: JsonValue[];
  /** Goes on top of each cluster that is made. */
  readonly clusterTemplate: JsonValue | undefined;
  /** What could not be carried over, and where. */
  readonly notes: readonly string[];
}

const KEYS: ReadonlySet<string> = new Set(["clusters", "cluster_template", "listeners", "load_assignments"]);

/** Reads `clusters`, `cluster_template`, `listeners` and `load_assignments` of v2. Throws an Error that names file and place. */
export function readStaticResources(file: string): RotorStaticResources {
  const content = read(file);
  for (const key of Object.keys(content))
    if (!KEYS.has(key))
      throw new Error(`Cannot load "${file}": unknown field "${key}": it may have ${[...KEYS].join(", ")}`);
  const list = (key: string): JsonObject[] => {
    const value = content[key] ?? [];
    if (Array.isArray(value) && value.every(isObject)) return value;
    throw new Error(`Cannot load "${file}": ${key} must be a list of objects`);
  };
  const converter = new V2Converter();
  const template = content["cluster_template"];
  if (template !== undefined && !isObject(template))
    throw new Error(`Cannot load "${file}": cluster_template must be an object`);
  const clusters = list("clusters").map((each, i) => converter.cluster(each, `clusters[${i}]`));
  const listeners = list("listeners").map((each, i) => converter.listener(each, `listeners[${i}]`));
  return {
    clusters,
    listeners,
    loadAssignments: list("load_assignments"),
    clusterTemplate: template && withoutIdentity(converter.cluster(template, "cluster_template")),
    notes: converter.notes.map((note) => `"${file}": ${note}`),
  };
}

function read(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`Cannot load "${file}": ${(error as Error).message}`, { cause: error });
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line ?? 1;
    throw new Error(`Cannot load "${file}": line ${line}: ${problem.message.split("\n")[0]}`);
  }
  const content: unknown = document.toJS();
  if (!isObject(content)) throw new Error(`Cannot load "${file}": it must be an object`);
  return content;
}

/** What clusters that are made keep of their own: names, and how they get their endpoints. */
const OWN: ReadonlySet<string> = new Set(["name", "type", "eds_cluster_config"]);

function withoutIdentity(cluster: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(cluster).filter(([key]) => !OWN.has(key)));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
