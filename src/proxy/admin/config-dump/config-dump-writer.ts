import { TYPE_URL_PREFIX } from "../../../proto/registry.ts";
import type { Dump } from "./config-dump-parts.ts";
import { adminJson } from "../endpoint.ts";

const ELEMENTS_PER_PIECE = 20;

/** `{"configs": [...]}` as Envoy prints it, a few elements at a time. */
export function* dumpPieces(dumps: readonly Dump[]): Generator<string> {
  let out = '{\n "configs": [\n';
  let betweenDumps = "";
  for (const { type, values, lists } of dumps) {
    out += `${betweenDumps}  {\n   "@type": ${JSON.stringify(TYPE_URL_PREFIX + type)}`;
    betweenDumps = ",\n";
    // In all dumps the single fields have lower numbers than the lists, so they come first.
    out += fields(values());
    for (const { field, elements } of lists) {
      if (elements.length === 0) continue;
      out += `,\n   ${JSON.stringify(field)}: [\n`;
      for (let i = 0; i < elements.length; i++) {
        out += `${i === 0 ? "" : ",\n"}    ${indent(adminJson(elements[i]!.json()), "    ")}`;
        if (i % ELEMENTS_PER_PIECE === ELEMENTS_PER_PIECE - 1) {
          yield out;
          out = "";
        }
      }
      out += "\n   ]";
    }
    out += `\n  }`;
  }
  yield `${out}\n ]\n}\n`;
}

function fields(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `,\n   ${JSON.stringify(key)}: ${indent(adminJson(value), "   ")}`)
    .join("");
}

function indent(json: string, by: string): string {
  return json.replaceAll("\n", `\n${by}`);
}
