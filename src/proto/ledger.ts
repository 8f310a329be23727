import type { Messages } from "./messages.d.ts";

/** A field that is supported with some of its enum values only, or set aside on purpose. */
export type FieldSupport =
  | string
  | { readonly field: string; readonly values: readonly string[] }
  | { readonly field: string; readonly ignored: string };

/**
 * Which fields our code reads, per message: "all", or a list of proto field names (snake_case). A ledger stands beside
 * the code that reads the message; ledgers are passed in and combined, never registered by import.
 */
export type Ledger = { readonly [N in keyof Messages]?: "all" | readonly FieldSupport[] };

/** A field supported only with these values: enum values by name, others as they print. */
export function only(field: string, ...values: string[]): FieldSupport {
  return { field, values };
}

/** A field that has no effect here, and why that is right. */
export function ignored(field: string, reason: string): FieldSupport {
  return { field, ignored: reason };
}
