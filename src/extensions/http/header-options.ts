import { headerId, type HeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { StreamInfo } from "../../proxy/api.ts";

type HeaderOption = Messages["envoy.config.core.v3.HeaderValueOption"];
/** Changes one header of a map. */
export type HeaderChange = (headers: HeaderMap, info: StreamInfo) => void;
type Format = (text: string) => (info: StreamInfo) => string;

/** HeaderValueOption.HeaderAppendAction. */
const APPEND = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_OR_ADD = 2;
const OVERWRITE_IF_EXISTS = 3;

/** Compiles a HeaderValueOption. Without `format`, values with %…% operators are refused. `owner` names the filter in errors. */
export function compileHeaderOption(
  option: HeaderOption,
  owner: string,
  format: Format | undefined,
): HeaderChange {
  const name = (option.header?.key ?? "").toLowerCase();
  if (name === "") throw new Error(`${owner}: append needs header.key`);
  const id = headerId(name);
  const text = Buffer.from(option.header?.value ?? "", "utf8").toString("latin1");
  if (text.includes("%") && format === undefined)
    throw new Error(`${owner}: operators in the value of header "${name}" are not supported in routes`);
  const valueOf = text.includes("%") ? format!(text) : () => text;
  const { appendAction: action, keepEmptyValue } = option;
  return (headers, info) => {
    const exists = id === 0 ? headers.has(name) : headers.hasId(id);
    if ((action === ADD_IF_ABSENT && exists) || (action === OVERWRITE_IF_EXISTS && !exists)) return;
    const value = valueOf(info);
    if (value === "" && !keepEmptyValue) return;
    if (action === APPEND || action === ADD_IF_ABSENT) add(headers, id, name, value);
    else if (action === OVERWRITE_OR_ADD || action === OVERWRITE_IF_EXISTS) headers.set(name, value);
  };
}

function add(headers: HeaderMap, id: HeaderId, name: string, value: string): void {
  if (id === 0) headers.add(name, value);
  else headers.addId(id, value);
}
