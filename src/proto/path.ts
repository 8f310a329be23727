// Paths to fields, as error messages print them: `static_resources.clusters[0].name`, `typed_config["a.b"].x`.

/** A field name, an index of a repeated field, or a key of a map field. */
export type PathPart = string | number | { readonly key: string };
/** From the outermost message inwards. The contents of an `Any` follow directly after the field that holds it. */
export type Path = readonly PathPart[];

/** The printed form of a path; "" for the root. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (typeof part === "object") text += `[${JSON.stringify(part.key)}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}
