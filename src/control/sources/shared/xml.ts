/** An element: its text, and its children by name. */
export interface XmlElement {
  readonly text: string;
  readonly children: ReadonlyMap<string, readonly XmlElement[]>;
}

interface Open {
  readonly name: string;
  text: string;
  readonly children: Map<string, XmlElement[]>;
}

const TOKEN = /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<(\/?)([A-Za-z_][\w.:-]*)([^<>]*?)(\/?)>|([^<]+)/gy;
const ENTITIES: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const MAX_DEPTH = 100;

/**
 * Reads XML as AWS's older APIs write it: elements and text. Attributes are skipped; document types and CDATA are
 * refused. Gives the root element under its name. Throws an Error for anything else.
 */
export function parseXml(text: string): XmlElement {
  const root: Open = { name: "", text: "", children: new Map() };
  const stack = [root];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    end = match.index + match[0].length;
    const [, slash, name, , selfClosing, plain] = match;
    const top = stack.at(-1)!;
    if (plain !== undefined) top.text += plain;
    else if (name === undefined) continue;
    else if (slash === "/") {
      if (stack.length === 1 || top.name !== name)
        throw new Error(`it is not XML: </${name}> closes nothing`);
      close(stack);
    } else {
      if (stack.length > MAX_DEPTH) throw new Error("it is not XML that we read: it is too deep");
      stack.push({ name, text: "", children: new Map() });
      if (selfClosing === "/") close(stack);
    }
  }
  if (end !== text.length || stack.length !== 1 || root.children.size === 0)
    throw new Error(`it is not XML: ${JSON.stringify(text.slice(end, end + 40))}`);
  return root;
}

/** The elements at a path of names. */
export function xmlAll(element: XmlElement, path: string): readonly XmlElement[] {
  return path
    .split("/")
    .reduce<readonly XmlElement[]>(
      (found, name) => found.flatMap((each) => each.children.get(name) ?? []),
      [element],
    );
}

/** The text of the first element at a path; "" when there is none. */
export function xmlText(element: XmlElement, path: string): string {
  return xmlAll(element, path)[0]?.text ?? "";
}

function close(stack: Open[]): void {
  const { name, text, children } = stack.pop()!;
  const parent = stack.at(-1)!;
  const decoded = text
    .trim()
    .replaceAll(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (whole, decimal, hex, word) => {
      if (decimal !== undefined || hex !== undefined) {
        const code = decimal !== undefined ? Number(decimal) : Number.parseInt(String(hex), 16);
        return code <= 0x10_ffff ? String.fromCodePoint(code) : whole;
      }
      return ENTITIES[String(word)] ?? whole;
    });
  const siblings = parent.children.get(name);
  if (siblings === undefined) parent.children.set(name, [{ text: decoded, children }]);
  else siblings.push({ text: decoded, children });
}
