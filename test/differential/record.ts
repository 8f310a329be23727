import { readHttpMessage, statusOf } from "../../src/testing/read-http.ts";
import type { HttpMessage } from "../../src/testing/read-http.ts";
import type { Case } from "./case.ts";
import type { H2Transcript } from "./h2/transcript.ts";
import { normalise } from "./normalise.ts";
import type { Variables } from "./normalise.ts";
import type { Observation } from "./play.ts";

/** A case's observation as comparable text, and what `expect` looks at. */
export interface CaseRecord {
  lines: string[];
  statuses: number[];
  fates: string[];
  upstreamRequests: number;
  requestsByUpstream: ReadonlyMap<string, number>;
}

/** Turns an observation into normalised lines. */
export function toRecord(entry: Case, seen: Observation, variables: Variables): CaseRecord {
  const upstreams = seen.upstreams.map((upstream) => ({
    name: upstream.name,
    // When a proxy opens a connection that it then does not use is its own affair.
    connections: upstream.connections
      .filter(
        ({ received, h2, calls }) =>
          entry.compare.upstream_fate ||
          received !== "" ||
          calls !== undefined ||
          (h2 !== undefined && h2.streams.length > 0),
      )
      .map(({ received, fate, h2, calls = [] }) => ({ ...requestsOf(received), fate, h2, calls })),
  }));
  const requestsByUpstream = new Map(
    upstreams.map(({ name, connections }) => [
      name,
      connections.reduce(
        (sum, { messages, h2, calls }) => sum + messages.length + (h2?.streams.length ?? 0) + calls.length,
        0,
      ),
    ]),
  );
  const sections: string[] = [];
  if (entry.compare.client) {
    for (const client of seen.clients) {
      const fate = entry.compare.fate ? client.fate : "any";
      sections.push(`== connection ${client.name}: ${fate}`, ...messageLines(entry, client.messages));
      if (client.h2 !== undefined) sections.push(...h2Lines(entry, client.h2));
      if (client.rest !== "") sections.push("unread:", ...bodyLines(client.rest));
    }
  }
  if (entry.compare.upstream) {
    for (const upstream of upstreams) {
      upstream.connections.forEach((connection, i) => {
        sections.push(
          `== upstream ${upstream.name}, connection ${i + 1}${entry.compare.upstream_fate ? `: ${connection.fate}` : ""}`,
          ...messageLines(entry, connection.messages),
        );
        if (connection.h2 !== undefined) sections.push(...h2Lines(entry, connection.h2));
        for (const call of connection.calls)
          sections.push("-- call", ...headerLines(entry, call).map(visible));
        if (connection.rest !== "") sections.push("unread:", ...bodyLines(connection.rest));
      });
    }
  }
  for (const { request, lines } of seen.admin) sections.push(`== admin ${request}`, ...lines);
  if (seen.stats.length > 0) sections.push("== stats", ...seen.stats);
  if (entry.access_log !== undefined) sections.push("== access log", ...seen.log);
  sections.push(...seen.notes.map((note) => `!! ${note}`));
  const finals = seen.clients.flatMap(({ messages, h2 }) => [
    ...messages.map(statusOf),
    ...(h2?.streams ?? []).map(({ status }) => status),
  ]);
  const lines = normalise(sections.join("\n"), entry, variables).split("\n");
  return {
    lines: entry.compare.sorted ? lines.sort() : lines,
    statuses: finals.filter((status) => status >= 200 || status === 101),
    fates: seen.clients.map((client) => client.fate),
    upstreamRequests: [...requestsByUpstream.values()].reduce((sum, count) => sum + count, 0),
    requestsByUpstream,
  };
}

/** What is wrong with a record in the light of the case's `expect`; empty when nothing is. */
export function unmetExpectations(expect: Case["expect"], record: CaseRecord): string[] {
  const problems: string[] = [];
  const text = record.lines.join("\n");
  if (expect.status !== undefined) {
    const wanted = [expect.status].flat().join(",");
    const got = record.statuses.join(",");
    if (wanted !== got) problems.push(`expected status ${wanted || "none"}, got ${got || "none"}`);
  }
  if (expect.fate !== undefined && record.fates.some((fate) => fate !== expect.fate)) {
    problems.push(`expected fate ${expect.fate}, got ${record.fates.join(",")}`);
  }
  if (expect.upstream_requests !== undefined && expect.upstream_requests !== record.upstreamRequests) {
    problems.push(`expected ${expect.upstream_requests} upstream requests, got ${record.upstreamRequests}`);
  }
  for (const [name, [least, most]] of Object.entries(expect.spread ?? {})) {
    const got = record.requestsByUpstream.get(name) ?? 0;
    if (got < least || got > most)
      problems.push(`expected ${least} to ${most} requests at ${name}, got ${got}`);
  }
  for (const part of expect.contains) if (!text.includes(part)) problems.push(`expected to see: ${part}`);
  for (const part of expect.absent) if (text.includes(part)) problems.push(`expected not to see: ${part}`);
  return problems;
}

function requestsOf(received: string): { messages: HttpMessage[]; rest: string } {
  const messages: HttpMessage[] = [];
  let at = 0;
  while (at < received.length) {
    const message = readHttpMessage(received, at);
    if (message === undefined) break;
    messages.push(message);
    at = message.end;
    if (!message.complete) break;
  }
  return { messages, rest: received.slice(at) };
}

function messageLines(entry: Case, messages: readonly HttpMessage[]): string[] {
  return messages.flatMap((message) => {
    const headers = headerLines(entry, message.headerLines);
    const trailers = message.trailerLines.map((line) => `trailer ${line}`);
    const ending = message.complete ? [] : ["(cut)"];
    return [message.startLine, ...headers, "", ...bodyLines(message.body), ...trailers, ...ending].map(
      visible,
    );
  });
}

/** What came on each stream, or every frame, as the case wants it. */
function h2Lines(entry: Case, { streams, goaways, frames }: H2Transcript): string[] {
  if (entry.compare.frames) return frames.map(visible);
  const lines = streams.flatMap(({ id, interims, head, body, trailers, fate }) => [
    `-- stream ${id}: ${fate}`,
    ...interims.flatMap((interim) => [...headerLines(entry, interim), ""]),
    ...headerLines(entry, head),
    "",
    ...bodyLines(body),
    ...trailers.map((line) => `trailer ${line}`),
  ]);
  const compared = goaways.filter((line) => entry.compare.goaway || line.startsWith("GOAWAY NO_ERROR"));
  return [...lines, ...compared.map((line) => `-- ${line}`)].map(visible);
}

function headerLines(entry: Case, all: readonly string[]): string[] {
  const lines = all.filter((line) => !entry.compare.ignore.includes(nameOf(line)));
  if (entry.compare.unordered) lines.sort();
  return lines.map((line) => (line.length > 2000 ? `${line.slice(0, 60)}… (${line.length})` : line));
}

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(":", 1)).toLowerCase();
}

function bodyLines(body: string): string[] {
  if (body === "") return [];
  if (body.length > 600) return [`(${body.length} bytes: ${visible(body.slice(0, 60))}…)`];
  return body.replace(/\n$/, "\\n").split("\n").map(visible);
}

/** Shows control characters as escapes, so that a difference in them can be seen. */
function visible(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\x00-\x1f\x7f-\xff]/g, (char) => {
    return char === "\r" ? "\\r" : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
