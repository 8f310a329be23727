const maxDecodes = 3;
/** Stands for a slash that is no separator; from the private use area. */
const heldSlash = "\u{e000}";

/**
 * All paths that a server behind the proxy might take a request's path for; rules must hold for each of them. Without query and
 * fragment; the first is the plain reading: unescaped, slashes merged, dot segments resolved (RFC 3986, section 5.2.4). Others
 * come from escapes in escapes, escaped slashes, backslashes and path parameters (`;…`), which servers read differently.
 * Undefined when it is no path at all (not absolute, broken escapes, control characters).
 */
export function possiblePaths(target: string): readonly string[] | undefined {
  const end = target.search(/[?#]/);
  const path = end === -1 ? target : target.slice(0, end);
  if (!path.startsWith("/")) return path === "*" ? ["*"] : undefined;
  if (isPlain(path)) return [path];
  const found = new Set<string>();
  let text = path;
  for (let decodes = 0; ; decodes++) {
    const decoded = decodeOnce(text);
    if (decoded === undefined) return undefined;
    addReadings(decoded, text, found);
    if (decoded === text) return [...found];
    if (decodes === maxDecodes) return undefined;
    text = decoded;
  }
}

/** Nothing in it can be read in two ways. */
function isPlain(path: string): boolean {
  return !/%|\/\/|\/\.|\\|;|[^\x21-\x7e]/.test(path);
}

function addReadings(decoded: string, encoded: string, found: Set<string>): void {
  found.add(resolve(decoded));
  // A server may keep an escaped slash inside its segment, and then see fewer dot segments go up.
  if (/%2f|%5c/i.test(encoded)) {
    const kept = decodeOnce(encoded.replace(/%2f|%5c/gi, heldSlash)) ?? decoded;
    found.add(resolve(kept).replaceAll(heldSlash, "/"));
  }
  if (decoded.includes("\\")) found.add(resolve(decoded.replaceAll("\\", "/")));
  if (decoded.includes(";")) found.add(resolve(decoded.replace(/;[^/]*/g, "")));
}

function decodeOnce(text: string): string | undefined {
  if (!text.includes("%")) return hasControls(text) ? undefined : text;
  try {
    const decoded = decodeURIComponent(text);
    return hasControls(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function resolve(path: string): string {
  const out: string[] = [];
  const segments = path.split("/");
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") out.pop();
    else out.push(segment);
  }
  const last = segments.at(-1);
  const open = last === "" || last === "." || last === "..";
  return out.length === 0 ? "/" : `/${out.join("/")}${open ? "/" : ""}`;
}
