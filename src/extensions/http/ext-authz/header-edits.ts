import { isHeaderName, isHeaderValue } from "../../../http/header-syntax.ts";
import type { HeaderMap } from "../../../proxy/api.ts";
import type { HeaderEdit } from "./auth-service.ts";

/** Makes one change. Envoy replaces its inline headers in place, others move to the end. */
export function applyEdit(headers: HeaderMap, { name, value, how }: HeaderEdit): void {
  switch (how) {
    case "add":
      return headers.add(name, value);
    case "join":
      if (headers.has(name)) headers.append(name, value);
      return;
    case "add-if-exists":
      if (headers.has(name)) headers.add(name, value);
      return;
    case "set":
      return overwrite(headers, name, value);
    case "add-if-absent":
      if (!headers.has(name)) headers.add(name, value);
      return;
    case "overwrite-if-exists":
      if (headers.has(name)) overwrite(headers, name, value);
  }
}

/** What is wrong with a change, in Envoy's words; undefined if it can go over the wire. */
export function editFault({ name, value }: HeaderEdit): string | undefined {
  if (!isHeaderName(name.startsWith(":") ? name.slice(1) : name)) return `invalid header name: ${name}`;
  return isHeaderValue(value) ? undefined : `invalid header value for: ${name}`;
}

function overwrite(headers: HeaderMap, name: string, value: string): void {
  if (name.startsWith(":") || name === "host") return headers.set(name, value);
  headers.remove(name);
  headers.add(name, value);
}
