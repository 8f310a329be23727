import { adminJson } from "./endpoint.ts";

/** A list in a large JSON document; elements are made when it is their turn. */
export interface JsonList {
  readonly key: string;
  readonly items: readonly (() => unknown)[];
}

const ITEMS_PER_PIECE = 20;

/** `{"key": [...], ...}` as `jsonReply` prints it, a few elements at a time. Lists without elements are left out. */
export function* jsonPieces(lists: readonly JsonList[]): Generator<string> {
  const present = lists.filter(({ items }) => items.length > 0);
  if (present.length === 0) {
    yield "{}\n";
    return;
  }
  let out = "{";
  let separator = "\n";
  for (const { key, items } of present) {
    out += `${separator} ${JSON.stringify(key)}: [\n`;
    for (let i = 0; i < items.length; i++) {
      out += `${i === 0 ? "" : ",\n"}${indented(adminJson(items[i]!()), "  ")}`;
      if (i % ITEMS_PER_PIECE === ITEMS_PER_PIECE - 1) {
        yield out;
        out = "";
      }
    }
    out += "\n ]";
    separator = ",\n";
  }
  yield `${out}\n}\n`;
}

function indented(json: string, by: string): string {
  return by + json.replaceAll("\n", `\n${by}`);
}
