/** What to do with %2F and %5C in paths. */
export type EscapedSlashes = "keep" | "reject" | "redirect" | "forward";

export interface PathOptions {
  readonly normalize: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: EscapedSlashes;
}

export type NormalizedPath =
  | { readonly kind: "ok"; readonly path: string }
  | { readonly kind: "redirect"; readonly path: string }
  | { readonly kind: "reject" };

const REJECT: NormalizedPath = { kind: "reject" };
const ESCAPED_SLASH = /%(?:2f|5c)/i;

/** Whether `normalizePath` could change or refuse this path; cheap, and usually false. */
export function needsNormalization(path: string, options: PathOptions): boolean {
  if (path.includes("#")) return true;
  return options.normalize || options.mergeSlashes || options.escapedSlashes !== "keep";
}

/** Applies Envoy's path options (HttpConnectionManager: normalize_path, merge_slashes, path_with_escaped_slashes_action). */
export function normalizePath(target: string, options: PathOptions): NormalizedPath {
  if (target.includes("#")) return REJECT;
  const mark = target.indexOf("?");
  const query = mark < 0 ? "" : target.slice(mark);
  let path = mark < 0 ? target : target.slice(0, mark);
  let redirect = false;
  if (options.escapedSlashes !== "keep" && ESCAPED_SLASH.test(path)) {
    if (options.escapedSlashes === "reject") return REJECT;
    redirect = options.escapedSlashes === "redirect";
    path = path.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  }
  if (options.normalize) {
    const canonical = canonicalize(path);
    if (canonical === undefined) return REJECT;
    path = canonical;
  }
  if (options.mergeSlashes) path = path.replace(/\/{2,}/g, "/");
  return { kind: redirect ? "redirect" : "ok", path: path + query };
}

/** RFC 3986 section 6 for paths: dot segments, backslashes, escapes of unreserved characters. Undefined = not a path. */
function canonicalize(path: string): string | undefined {
  if (path.includes("%00")) return undefined;
  let text = path;
  if (text.includes("\\")) text = text.replaceAll("\\", "/");
  if (text.includes("%")) text = text.replace(/%([2-7][0-9a-f])/gi, unescapeUnreserved);
  return text.includes("/.") ? removeDotSegments(text) : text;
}

function unescapeUnreserved(escaped: string, hex: string): string {
  const character = String.fromCharCode(Number.parseInt(hex, 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : escaped;
}

function removeDotSegments(path: string): string {
  const out: string[] = [];
  const segments = path.slice(1).split("/");
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1;
    if (segment === "..") out.pop();
    if (segment !== "." && segment !== "..") out.push(segment);
    else if (last) out.push("");
  });
  return "/" + out.join("/");
}
