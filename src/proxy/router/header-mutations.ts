import { headerId, type HeaderId } from "../../http/header-name.ts";
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

/** What one level of the configuration does to the headers: removals first, then additions in order. */
export class HeaderMutations {
  readonly #additions: readonly Addition[];
  readonly #removals: readonly string[];

  constructor(additions: readonly Addition[], removals: readonly string[]) {
    this.#additions = additions;
    this.#removals = removals;
  }

  apply(headers: HeaderMap, info: StreamInfo): void {
    for (let i = 0; i < this.#removals.length; i++) headers.remove(this.#removals[i]!);
    for (let i = 0; i < this.#additions.length; i++) add(headers, info, this.#additions[i]!);
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
  const format = compileFormat(text, operators);
  return {
    name,
    id: headerId(name),
    literal: text.includes("%") ? undefined : text,
    format,
    action: option.append === false ? OVERWRITE_IF_EXISTS_OR_ADD : option.appendAction,
    keepEmpty: option.keepEmptyValue,
  };
}

function add(headers: HeaderMap, info: StreamInfo, addition: Addition): void {
  const exists = addition.id === 0 ? headers.has(addition.name) : headers.hasId(addition.id);
  if (addition.action === ADD_IF_ABSENT && exists) return;
  if (addition.action === OVERWRITE_IF_EXISTS && !exists) return;
  const value = addition.literal ?? addition.format(info);
  if (value === "" && !addition.keepEmpty) return;
  if (addition.action === OVERWRITE_IF_EXISTS_OR_ADD || addition.action === OVERWRITE_IF_EXISTS) {
    if (addition.id === 0) headers.set(addition.name, value);
    else headers.setId(addition.id, value);
  } else if (addition.id === 0) headers.add(addition.name, value);
  else headers.addId(addition.id, value);
}

function isFixed(name: string): boolean {
  return name.startsWith(":") || name.toLowerCase() === "host";
}
