import { statsText } from "../../../stats/text.ts";
import type { StatsQuery, StatsSource } from "../../../stats/stats-query.ts";
import { HTML, type AdminEndpoint, type AdminReply, type AdminRequest } from "../endpoint.ts";
import { commandTable, endpointRows, escapeHtml, PAGE_END, pageHead } from "../page.ts";

const REFRESH_SECONDS = 5;

/** GET /stats?format=html: the form with its values, and the stats as text; "active-html" loads itself again. */
export function statsPage(
  { query }: AdminRequest,
  endpoint: AdminEndpoint,
  stats: StatsQuery,
  source: StatsSource,
): AdminReply {
  const active = query.get("format") === "active-html";
  const form = commandTable(endpointRows(endpoint, true, (name) => query.get(name)));
  const head = pageHead("Envoy Admin", active ? REFRESH_SECONDS : undefined) + form;
  return { contentType: HTML, body: pieces(head, source, stats) };
}

function* pieces(head: string, source: StatsSource, stats: StatsQuery): Generator<string> {
  yield `${head}<pre>\n`;
  for (const piece of statsText(source, stats)) yield escapeHtml(piece);
  yield `</pre>\n${PAGE_END}`;
}
