import { SafeRegex } from "../../../base/safe-regex.ts";
import { schema, TYPE_URL_PREFIX, type MessageName } from "../../../proto/registry.ts";
import { collectDumps, type Dump, type DumpElement } from "./config-dump-parts.ts";
import { dumpPieces } from "./config-dump-writer.ts";
import { JSON_TYPE, PLAIN, type AdminEndpoint, type AdminReply } from "../endpoint.ts";
import { isFieldMask, isResourceMask, pick } from "./field-mask.ts";
import { jsonPieces } from "../json-pieces.ts";

/** GET /config_dump: the configuration in force, secrets redacted. */
export const configDump: AdminEndpoint = {
  path: "/config_dump",
  help: "dump current Envoy configs",
  parameters: [
    { name: "resource", kind: "text", help: "The resource to dump" },
    {
      name: "mask",
      kind: "text",
      help:
        "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the " +
        "desired repeated field so that only a subset of fields are returned. The mask is parsed as a " +
        "Protobuf::FieldMask",
    },
    {
      name: "name_regex",
      kind: "text",
      help:
        "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both " +
        "resource and mask query parameters.",
    },
    {
      name: "include_eds",
      kind: "flag",
      help: "Dump currently loaded configuration including EDS. See the response definition for more information",
    },
  ],
  handle: ({ host, query }) => {
    const pattern = query.text("name_regex");
    let wanted: ((name: string) => boolean) | undefined;
    if (pattern !== undefined) {
      try {
        const regex = new SafeRegex(pattern);
        wanted = (name) => regex.fullMatch(name);
      } catch (error) {
        const problem = (error as Error).message;
        return refused(400, `INVALID_ARGUMENT: Error while parsing name_regex from ${pattern}: ${problem}`);
      }
    }
    let dumps = collectDumps(host, query.has("include_eds"));
    if (wanted !== undefined) dumps = dumps.map((dump) => onlyNamed(dump, wanted));
    const resource = query.text("resource");
    const mask = query.text("mask");
    if (resource !== undefined) return dumpResource(dumps, resource, mask);
    return mask === undefined ? { contentType: JSON_TYPE, body: dumpPieces(dumps) } : dumpMasked(dumps, mask);
  },
};

function onlyNamed(dump: Dump, wanted: (name: string) => boolean): Dump {
  const lists = dump.lists.map((list) => ({
    ...list,
    elements: list.elements.filter(({ name }) => wanted(name)),
  }));
  return { ...dump, lists };
}

/** The elements of one list, each as an Any of its own. */
function dumpResource(dumps: readonly Dump[], resource: string, mask: string | undefined): AdminReply {
  const list = dumps.flatMap(({ lists }) => lists).find(({ field }) => field === resource);
  if (list === undefined) {
    const single = dumps.some(({ type }) => schema(type).fields.some(({ name }) => name === resource));
    return single
      ? refused(400, `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`)
      : refused(404, `${resource} not found in config dump`);
  }
  const paths = mask?.split(",");
  if (
    paths !== undefined &&
    list.elements.length > 0 &&
    !isResourceMask(schema(list.type), paths, list.resourceType)
  ) {
    const lines = paths.map((path) => `paths: "${path}"\n`).join("");
    return refused(400, `FieldMask ${lines} could not be successfully used.`);
  }
  const items = list.elements.map((element) => () => typed(list.type, element, paths));
  return { contentType: JSON_TYPE, body: jsonPieces([{ key: "configs", items }]) };
}

function dumpMasked(dumps: readonly Dump[], mask: string): AdminReply {
  const paths = mask.split(",");
  const fitting = dumps.filter(({ type }) => isFieldMask(schema(type), paths));
  if (fitting.length === 0)
    return refused(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  const picked = fitting.map(({ type, values, lists }) => ({
    type,
    values: () => pick(values(), paths),
    lists: lists.filter(({ field }) => paths.includes(field)),
  }));
  return { contentType: JSON_TYPE, body: dumpPieces(picked) };
}

function typed(type: MessageName, element: DumpElement, paths: readonly string[] | undefined): unknown {
  const json = element.json();
  return { "@type": TYPE_URL_PREFIX + type, ...(paths === undefined ? json : pick(json, paths)) };
}

function refused(status: number, body: string): AdminReply {
  return { status, contentType: PLAIN, body };
}
