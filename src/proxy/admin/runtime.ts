import type { AdminHost } from "./admin-host.ts";
import { OK, jsonReply, type AdminEndpoint } from "./endpoint.ts";
import { AdminQuery } from "./admin-query.ts";

const USAGE =
  "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n" +
  "       or send the parameters as form values\n" +
  "use an empty value to remove a previously added override";

/** GET /runtime. */
export const runtime: AdminEndpoint = {
  path: "/runtime",
  help: "print runtime values",
  handle: ({ host }) => {
    const layers = host.runtimeLayers();
    const keys = [...new Set(layers.flatMap(({ values }) => Object.keys(values)))].sort();
    const entries = keys.map((key) => {
      const values = layers.map((layer) => String(layer.values[key] ?? ""));
      return [key, { final_value: values.findLast((v) => v !== "") ?? "", layer_values: values }] as const;
    });
    return jsonReply({ entries: Object.fromEntries(entries), layers: layers.map(({ name }) => name) });
  },
};

/** POST /runtime_modify: keys in the query or in a form. */
export const runtimeModify: AdminEndpoint = {
  path: "/runtime_modify",
  help:
    "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty " +
    "string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from " +
    "disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
  mutates: true,
  handle: ({ host, query, body }) => {
    const given = query.entries.length > 0 ? query : new AdminQuery(body);
    if (given.entries.length === 0) return { status: 400, body: USAGE };
    if (!hasAdminLayer(host)) return { status: 503, body: "No admin layer specified" };
    try {
      host.modifyRuntime(Object.fromEntries(given.entries));
    } catch (error) {
      return { status: 503, body: (error as Error).message };
    }
    return OK;
  },
};

function hasAdminLayer({ bootstrap }: AdminHost): boolean {
  const layers = bootstrap.layeredRuntime?.layers ?? [];
  return layers.some(({ layerSpecifier }) => layerSpecifier.case === "adminLayer");
}
