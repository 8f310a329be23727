import { Hono } from "hono";
import type { Traffic } from "./traffic.ts";

const TOP = 20;
const MAX_TOP = 500;

/** What proxies tell of their traffic, over HTTP. */
export function trafficApi(traffic: Traffic): Hono {
  const api = new Hono();
  api.get("/v1/traffic/errors", (context) => {
    const top = Number(context.req.query("top") ?? TOP);
    if (!Number.isInteger(top) || top < 1 || top > MAX_TOP)
      return context.json({ error: `top is a number from 1 to ${MAX_TOP}` }, 400);
    const { since, lines } = traffic.topErrors(top);
    return context.json({
      since: new Date(since).toISOString(),
      errors: lines.map(({ tooHighBy, ...line }) => ({ ...line, too_high_by: tooHighBy })),
    });
  });
  return api;
}
