import { SafeRegex } from "../../../base/safe-regex.ts";
import { statsJson } from "../../../stats/json.ts";
import { statsPrometheus } from "../../../stats/prometheus.ts";
import type { HistogramMode, StatsQuery, StatsSource } from "../../../stats/stats-query.ts";
import { statsText } from "../../../stats/text.ts";
import type { AdminQuery } from "../admin-query.ts";
import {
  JSON_TYPE,
  type AdminEndpoint,
  type AdminReply,
  type AdminRequest,
  type EndpointParameter,
} from "../endpoint.ts";
import { statsPage } from "./stats-page.ts";

const MODES = ["cumulative", "disjoint", "detailed", "summary"];
const TYPES = ["All", "Counters", "Histograms", "Gauges", "TextReadouts"];

const USED_ONLY: EndpointParameter = {
  name: "usedonly",
  kind: "flag",
  help: "Only include stats that have been written by system since restart",
};
const FILTERS: readonly EndpointParameter[] = [
  { name: "filter", kind: "text", help: "Regular expression (Google re2) for filtering stats" },
  { name: "invert_filter", kind: "flag", help: "Invert the filter regex" },
];
const BUCKETS_HELP = "Histogram bucket display mode";

/** GET /stats. */
export const stats: AdminEndpoint = {
  path: "/stats",
  help: "print server stats",
  parameters: [
    USED_ONLY,
    ...FILTERS,
    {
      name: "format",
      kind: "choice",
      help: "Format to use",
      choices: ["html", "active-html", "text", "json"],
    },
    { name: "type", kind: "choice", help: "Stat types to include.", choices: TYPES },
    { name: "histogram_buckets", kind: "choice", help: BUCKETS_HELP, choices: MODES },
  ],
  handle: async (request) => {
    await request.host.prepareStats?.();
    const format = request.query.text("format") ?? "text";
    if (format === "prometheus") return prometheus(request, typeOf(request.query));
    const type = typeOf(request.query);
    if (type === undefined) return refused("invalid &type= param");
    if (!["html", "active-html", "json", "text"].includes(format))
      return refused("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n");
    const histograms = modeOf(request.query);
    if (histograms === undefined)
      return refused(
        request.query.get("histogram_buckets") === "prometheusnative"
          ? "Invalid histogram_buckets type for non prometheus stats type"
          : `usage: /stats?histogram_buckets=(${MODES.join("|")}|prometheusnative)\n`,
      );
    const filter = filterOf(request.query);
    if (typeof filter === "string") return refused(filter);
    const query: StatsQuery = { usedOnly: request.query.has("usedonly"), filter, type, histograms };
    if (format === "json") return { contentType: JSON_TYPE, body: statsJson(sourceOf(request), query) };
    if (format === "text") return { body: statsText(sourceOf(request), query) };
    return statsPage(request, stats, query, sourceOf(request));
  },
};

/** GET /stats/prometheus. */
export const statsForPrometheus: AdminEndpoint = {
  path: "/stats/prometheus",
  help: "print server stats in prometheus format",
  parameters: [
    USED_ONLY,
    {
      name: "text_readouts",
      kind: "flag",
      help: "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
    },
    ...FILTERS,
    { name: "histogram_buckets", kind: "choice", help: BUCKETS_HELP, choices: ["cumulative", "summary"] },
  ],
  handle: async (request) => {
    await request.host.prepareStats?.();
    return prometheus(request, "All");
  },
};

function prometheus(request: AdminRequest, type: StatsQuery["type"] | undefined): AdminReply {
  const { query, host } = request;
  if (type === undefined) return refused("invalid &type= param");
  const mode = query.text("histogram_buckets") ?? "cumulative";
  if (mode !== "cumulative" && mode !== "summary")
    return refused("unsupported prometheus histogram bucket mode");
  const filter = filterOf(query);
  if (typeof filter === "string") return refused(filter);
  return {
    body: statsPrometheus(
      sourceOf(request),
      { usedOnly: query.has("usedonly"), filter, type, histograms: "summary" },
      {
        fixedTags: host.statsTags?.() ?? [],
        summaries: mode === "summary",
        textReadouts: query.has("text_readouts"),
      },
    ),
  };
}

function sourceOf({ host, intervals }: AdminRequest): StatsSource {
  return {
    texts: host.textReadouts(),
    chunks: () => host.statChunks(),
    interval: (name) => intervals.get(name),
  };
}

function typeOf(query: AdminQuery): StatsQuery["type"] | undefined {
  const type = query.text("type") ?? "All";
  return TYPES.includes(type) ? (type as StatsQuery["type"]) : undefined;
}

function modeOf(query: AdminQuery): HistogramMode | undefined {
  const mode = query.text("histogram_buckets") ?? "summary";
  if (mode === "none") return "summary";
  return MODES.includes(mode) ? (mode as HistogramMode) : undefined;
}

/** A string is what is wrong with the regular expression. */
function filterOf(query: AdminQuery): ((name: string) => boolean) | string | undefined {
  const pattern = query.text("filter");
  if (pattern === undefined) return undefined;
  const invert = query.has("invert_filter");
  try {
    const regex = new SafeRegex(pattern);
    return (name) => regex.find(name) !== invert;
  } catch (error) {
    return `Invalid re2 regex: ${(error as Error).message}`;
  }
}

function refused(body: string): AdminReply {
  return { status: 400, body };
}
