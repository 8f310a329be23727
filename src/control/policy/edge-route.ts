import { z } from "zod";
import { serviceName } from "./fields.ts";
import { actionFields, matchFields, oneTarget, patch, targetFields } from "./route-settings.ts";

const route = z
  .strictObject({
    ...matchFields,
    service: serviceName,
    ...targetFields,
    ...actionFields,
    /** What the prefix becomes on the way to the service; as it came when left out. */
    rewrite_prefix: z.string().startsWith("/").optional(),
    envoy: z.strictObject({ route: patch }).optional(),
  })
  .refine(
    ({ prefix, path, regex }) => [prefix, path, regex].filter((each) => each !== undefined).length === 1,
    "needs either prefix, path or regex",
  )
  .refine(({ regex, rewrite_prefix: to }) => regex === undefined || to === undefined, {
    path: ["rewrite_prefix"],
    message: "goes with prefix or path only",
  })
  .superRefine(oneTarget);

export type EdgeRoute = z.infer<typeof route>;

/** First match wins, so a route after one that takes all its requests would never be used. */
export const edgeRoutes = z
  .array(route)
  .default([])
  .superRefine((list, context) => {
    list.forEach((later, i) => {
      const earlier = list.slice(0, i).find((each) => covers(each, later));
      if (earlier === undefined) return;
      const message = `never used: the earlier route ${earlier.path ?? earlier.prefix} to ${earlier.service} takes its paths; put the more specific one first`;
      const field = later.path !== undefined ? "path" : later.prefix !== undefined ? "prefix" : "regex";
      context.addIssue({ code: "custom", path: [i, field], message });
    });
  });

function covers(earlier: EdgeRoute, later: EdgeRoute): boolean {
  const { methods, headers, cookies, query } = earlier;
  if ([methods, headers, cookies, query].some((each) => each !== undefined)) return false;
  if (earlier.regex !== undefined) return earlier.regex === later.regex;
  if (earlier.path !== undefined) return earlier.path === later.path;
  const prefix = earlier.prefix!.replace(/\/+$/, "");
  if (later.regex !== undefined) return prefix === "";
  return `${later.path ?? later.prefix!.replace(/\/+$/, "")}/`.startsWith(`${prefix}/`);
}
