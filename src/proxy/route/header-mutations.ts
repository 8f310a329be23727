import { headerId, isInlineHeader, type HeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { OperatorDef, StreamInfo } from "../api.ts";
import { compileFormat } from "../formatter/format.ts";

type HeaderValueOption = Messages["envoy.config.core.v3.HeaderValueOption"];

/** What of header operations is read. */
export const headerMutationsLedger: Ledger = {
  "envoy.config.core.v3.HeaderValueOption": "all",
  "envoy.config.core.v3.HeaderValue": ["key", "value", "raw_value"],
};

/** HeaderValueOption.HeaderAppendAction. */
const APPEND_IF_EXISTS_OR_ADD = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_IF_EXISTS_OR_ADD = 2;
const OVERWRITE_IF_EXISTS = 3;

interface Addition {
  readonly name: string;
  readonly id: HeaderId;
  /** The value if it is the same for every request. */
  readonly literal: string | undefined;
  readonly format: (info: StreamInfo) => string;
  readonly action: number;
  readonly keepEmpty: boolean;
}

/**
 * What one level of the configuration does to the headers. Removals come first; then all new values are made, so that
 * none sees another; then headers are overwritten, and at last added.
 */
export class HeaderMutations {
  readonly #additions: readonly Addition[];
  readonly #removals: readonly string[];
  /** Values of the request at hand; undefined = leave this one out. */
  readonly #values: (string | undefined)[];

  constructor(additions: readonly Addition[], removals: readonly string[]) {
    this.#additions = additions;
    this.#removals = removals;
    this.#values = additions.map(() => undefined);
  }

  apply(headers: HeaderMap, info: StreamInfo): void {
    const additions = this.#additions;
    const values = this.#values;
    for (let i = 0; i < this.#removals.length; i++) headers.remove(this.#removals[i]!);
    for (let i = 0; i < additions.length; i++) values[i] = valueOf(additions[i]!, headers, info);
    for (let i = 0; i < additions.length; i++) {
      const { action, id, name } = additions[i]!;
      const value = values[i];
      if (value === undefined || action < OVERWRITE_IF_EXISTS_OR_ADD) continue;
      // Envoy replaces its inline headers in place; others move to the end.
      if (isInlineHeader(id)) headers.setId(id, value);
      else {
        headers.remove(name);
        headers.add(name, value);
      }
    }
    for (let i = 0; i < additions.length; i++) {
      const { action, id, name } = additions[i]!;
      const value = values[i];
      if (value === undefined || action >= OVERWRITE_IF_EXISTS_OR_ADD) continue;
      if (id === 0) headers.add(name, value);
      else headers.addId(id, value);
    }
  }
}

/**
 * Compiles `*_headers_to_add` and `*_headers_to_remove`. Returns undefined when there is nothing to do. Throws an Error
 * with Envoy's text for names that may not be changed and for bad formats.
 */
export function compileHeaderMutations(
  toAdd: readonly HeaderValueOption[],
  toRemove: readonly string[],
  operators: readonly OperatorDef[],
): HeaderMutations | undefined {
  if (toAdd.length === 0 && toRemove.length === 0) return undefined;
  const removals = toRemove.map((name) => {
    if (isFixed(name)) throw new Error(":-prefixed or host headers may not be removed");
    return name.toLowerCase();
  });
  return new HeaderMutations(
    toAdd.map((option) => compileAddition(option, operators)),
    removals,
  );
}

function compileAddition(option: HeaderValueOption, operators: readonly OperatorDef[]): Addition {
  const header = option.header;
  if (header === undefined) throw new Error("HeaderValueOption: header must be set");
  if (isFixed(header.key)) throw new Error(":-prefixed or host headers may not be modified");
  if (option.append !== undefined && option.appendAction !== APPEND_IF_EXISTS_OR_ADD)
    throw new Error("Both append and append_action are set and it's not allowed");
  const name = header.key.toLowerCase();
  const value = header.value !== "" ? header.value : Buffer.from(header.rawValue).toString("latin1");
  // Header bytes are latin1 characters inside; a configuration's text is Unicode.
  const text = Buffer.from(value, header.value !== "" ? "utf8" : "latin1").toString("latin1");
  const format = compileFormat(text, operators, { omitEmpty: true });
  return {
    name,
    id: headerId(name),
    literal: text.includes("%") ? undefined : text,
    format,
    action: option.append === false ? OVERWRITE_IF_EXISTS_OR_ADD : option.appendAction,
    keepEmpty: option.keepEmptyValue,
  };
}

function valueOf(addition: Addition, headers: HeaderMap, info: StreamInfo): string | undefined {
  const { action, id, name } = addition;
  if (action === ADD_IF_ABSENT || action === OVERWRITE_IF_EXISTS) {
    const exists = id === 0 ? headers.has(name) : headers.hasId(id);
    if (exists !== (action === OVERWRITE_IF_EXISTS)) return undefined;
  }
  const value = addition.literal ?? addition.format(info);
  return value === "" && !addition.keepEmpty ? undefined : value;
}

function isFixed(name: string): boolean {
  return name.startsWith(":") || name.toLowerCase() === "host";
}
