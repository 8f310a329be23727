import type { Context } from "hono";
import type { Change } from "../model.ts";
import { watch } from "../store.ts";
import type { ChangeBatch, RegistryStore, Revision } from "../store.ts";
import { checkFields, parseInteger } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { changeJson } from "./instance-json.ts";
import type { Operation } from "./operation.ts";
import { checkService } from "./request.ts";
import { Refusal } from "../refusal.ts";

const maxWaitMs = 300_000;
const defaultWaitMs = 30_000;
const keepAliveMs = 15_000;

const query = {
  index: {
    type: "text",
    max: 16,
    description: "The index of what is known already; 0 or left out: everything, at once",
  },
  wait: {
    type: "text",
    max: 10,
    description: "How long to wait for a change, as 30s or 500ms; at most 300s",
  },
  service: { type: "text", max: 128, description: "Only this service's changes" },
} as const satisfies Fields;

/** `GET /v1/watch`: changes after an index, by long poll or as server-sent events. `stopping` ends all of them. */
export function watchOperation(store: RegistryStore, stopping: AbortSignal): Operation {
  return {
    method: "GET",
    path: "/v1/watch",
    id: "watch",
    summary:
      "Changes after an index: by long poll, or as an endless stream of events with Accept: text/event-stream (resumable by Last-Event-ID)",
    access: "read",
    query,
    replies: {
      200: "Changes in order; with reset true they are the whole content, and what is not among them is gone",
      400: "A parameter is wrong",
    },
    async handle(context) {
      const given = checkFields(context.req.query(), query);
      const service = given.service === undefined ? undefined : checkService(given.service);
      const streams = (context.req.header("accept") ?? "").includes("text/event-stream");
      const resume = (streams ? context.req.header("last-event-id") : undefined) ?? given.index ?? "0";
      const from = parseInteger("index", resume, 0, Number.MAX_SAFE_INTEGER);
      const signal = AbortSignal.any([stopping, context.req.raw.signal]);
      if (streams) return eventStream(store, from, service, signal);
      return longPoll(context, store, {
        from,
        service,
        signal,
        waitMs: parseWait(given.wait ?? `${defaultWaitMs}ms`),
      });
    },
  };
}

async function longPoll(
  context: Context,
  store: RegistryStore,
  poll: { from: Revision; service: string | undefined; waitMs: number; signal: AbortSignal },
): Promise<Response> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), poll.waitMs);
  let index = poll.from;
  try {
    for await (const batch of watch(store, poll.from, AbortSignal.any([poll.signal, timeout.signal]))) {
      index = batch.revision;
      const changes = select(batch, poll.service);
      if (batch.reset || changes.length > 0) return context.json({ ...batchJson(batch, changes) });
    }
  } finally {
    clearTimeout(timer);
  }
  return context.json({ index, reset: false, changes: [] });
}

function eventStream(
  store: RegistryStore,
  from: Revision,
  service: string | undefined,
  signal: AbortSignal,
): Response {
  const gone = new AbortController();
  const ended = AbortSignal.any([signal, gone.signal]);
  const encoder = new TextEncoder();
  let index = from;
  let first = true;
  // Pulled, so that a slow reader gets fewer and larger batches and never makes the registry queue for it.
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (first) {
          first = false;
          return controller.enqueue(encoder.encode("retry: 1000\n\n"));
        }
        const pause = new AbortController();
        const timer = setTimeout(() => pause.abort(), keepAliveMs);
        const batch = await store.next(index, AbortSignal.any([ended, pause.signal]));
        clearTimeout(timer);
        if (ended.aborted) return controller.close();
        if (batch === undefined) return controller.enqueue(encoder.encode(": still here\n\n"));
        index = batch.revision;
        controller.enqueue(encoder.encode(events(batch, select(batch, service))));
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

function select(batch: ChangeBatch, service: string | undefined): readonly Change[] {
  if (service === undefined) return batch.changes;
  return batch.changes.filter((change) => {
    if (change.type === "put") return change.instance.service === service;
    return (change.type === "removed" ? change.id.service : change.service) === service;
  });
}

function batchJson(batch: ChangeBatch, changes: readonly Change[]): object {
  const { revision: index, reset, services } = batch;
  return { index, reset, ...(services !== undefined && { services }), changes: changes.map(changeJson) };
}

/** `reset` carries the whole batch; every other change is an event of its own. A change passed over still moves the id. */
function events(batch: ChangeBatch, changes: readonly Change[]): string {
  if (batch.reset)
    return `id: ${batch.revision}\nevent: reset\ndata: ${JSON.stringify(batchJson(batch, changes))}\n\n`;
  let text = "";
  for (const change of changes) {
    text += `id: ${change.revision}\nevent: ${change.type}\ndata: ${JSON.stringify(changeJson(change))}\n\n`;
  }
  return text === "" ? `id: ${batch.revision}\n\n` : text;
}

function parseWait(text: string): number {
  const match = /^(\d{1,7})(ms|s)?$/.exec(text);
  const ms = match === null ? Number.NaN : Number(match[1]) * (match[2] === "ms" ? 1 : 1000);
  if (ms <= maxWaitMs) return ms;
  throw new Refusal(400, `"${text}" is not a time to wait`, {
    field: "wait",
    allowed: "0s to 300s, as 30s or 500ms",
  });
}
