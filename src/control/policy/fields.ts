// What the fields of the mesh policy are made of.
import { isIP } from "node:net";
import { z } from "zod";
import { SafeRegex } from "../../base/safe-regex.ts";
import { SERVICE_NAME } from "../model.ts";

/** A time in milliseconds, at most an hour. */
export const milliseconds = z.int().min(1).max(3_600_000);

/** A share of all, 0 to 100; parts of a percent are fine. */
export const percent = z.number().min(0).max(100);

export const serviceName = z.string().regex(SERVICE_NAME, "must be a service name");

/** Service names; `*` stands for any characters. */
export const nameGlob = z
  .string()
  .regex(/^[A-Za-z0-9*][A-Za-z0-9.*_-]{0,127}$/, "must be a service name, with * for any characters");

/** A version of a service, as its instances report it. It becomes a part of cluster names. */
export const version = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, "must be a version");

export const headerName = z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, "must be a lower-case header name");

/** A regular expression in RE2's syntax. */
export const regex = z
  .string()
  .min(1)
  .superRefine((pattern, context) => {
    try {
      new SafeRegex(pattern);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
    }
  });

/** `HOST:PORT`; names are for addresses to connect to, a listener needs an IP. */
export function address(what: "name" | "ip"): z.ZodType<string> {
  return z.string().refine(
    (text) => {
      const [, host = "", port = ""] = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(text) ?? [];
      if (host === "" || Number(port) > 65_535) return false;
      return what === "ip" ? isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0 : true;
    },
    what === "name" ? "must be ADDRESS:PORT" : "must be IP:PORT",
  );
}

/** A group of fields that a more specific place may refine, or take back with `null`. */
export function section<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape).nullable().optional();
}
