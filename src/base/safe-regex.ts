import { RE2JS } from "re2js";
import { v8Form } from "./regex-safety.ts";

/**
 * A regular expression with RE2's syntax and meaning, whose cost is linear in the text. Texts are header values and
 * paths as latin1 strings; those with bytes above 0x7f are read as UTF-8, as RE2 reads them.
 */
export class SafeRegex {
  readonly pattern: string;
  readonly #re2: RE2JS;
  readonly #full: RegExp | undefined;
  readonly #search: RegExp | undefined;
  readonly #replace: RegExp | undefined;

  /** Throws an Error with RE2's text for what RE2 refuses. */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.#re2 = compile(pattern);
    const form = v8Form(pattern);
    if (form === undefined) return;
    this.#full = new RegExp(`^(?:${form.source})$`);
    if (form.search) this.#search = new RegExp(form.source);
    if (form.search && form.captures) this.#replace = new RegExp(form.source, "g");
  }

  /** Whether V8 runs full matches; for tests. */
  get runsOnV8(): boolean {
    return this.#full !== undefined;
  }

  /** Whether the whole text matches. */
  fullMatch(text: string): boolean {
    if (this.#full !== undefined && isAscii(text)) return this.#full.test(text);
    return this.#re2.testExact(toUnicode(text));
  }

  /** Whether some part of the text matches. */
  find(text: string): boolean {
    if (this.#search !== undefined && isAscii(text)) return this.#search.test(text);
    return this.#re2.test(toUnicode(text));
  }

  /**
   * Replaces every match, leftmost first, with `substitution`, in which `\1` to `\9` are captures, `\0` is the match and
   * `\\` a backslash. As in RE2, an empty match right after a match is skipped, and a substitution that names a capture
   * which the pattern lacks, or holds another escape, leaves the text as it is.
   */
  replaceAll(text: string, substitution: Substitution): string {
    if (substitution.highestGroup > this.#re2.groupCount()) return text;
    if (this.#replace !== undefined && isAscii(text)) return this.#replaceOnV8(text, substitution);
    const unicode = toUnicode(text);
    const matcher = this.#re2.matcher(unicode);
    let out = "";
    let end = 0;
    let last = -1;
    while (matcher.find()) {
      if (matcher.start() === matcher.end() && matcher.start() === last) continue;
      out += unicode.slice(end, matcher.start());
      for (const part of substitution.parts)
        out += typeof part === "string" ? part : (matcher.group(part) ?? "");
      end = last = matcher.end();
    }
    return toLatin1(out + unicode.slice(end), text);
  }

  #replaceOnV8(text: string, substitution: Substitution): string {
    const regex = this.#replace!;
    regex.lastIndex = 0;
    let out = "";
    let end = 0;
    let last = -1;
    for (;;) {
      const match = regex.exec(text);
      if (match === null) break;
      const start = match.index;
      const length = match[0].length;
      if (length === 0) regex.lastIndex = start + 1;
      if (length === 0 && start === last) continue;
      out += text.slice(end, start);
      for (const part of substitution.parts) out += typeof part === "string" ? part : (match[part] ?? "");
      end = last = start + length;
    }
    return end === 0 && out === "" ? text : out + text.slice(end);
  }
}

/** The replacement of `replaceAll`, split into text and capture numbers. */
export interface Substitution {
  readonly parts: readonly (string | number)[];
  /** Infinity if the text holds an escape that RE2 does not know. */
  readonly highestGroup: number;
}

/** Reads a substitution such as "/v2\\1". */
export function parseSubstitution(text: string): Substitution {
  const parts: (string | number)[] = [];
  let literal = "";
  let highestGroup = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char !== "\\") {
      literal += char;
      continue;
    }
    const next = text[++i] ?? "";
    if (next === "\\") literal += "\\";
    else if (next >= "0" && next <= "9" && next !== "") {
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push(Number(next));
      highestGroup = Math.max(highestGroup, Number(next));
    } else return { parts: [], highestGroup: Infinity };
  }
  if (literal !== "") parts.push(literal);
  return { parts, highestGroup };
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new Error(re2Message(error), { cause: error });
  }
}

/** RE2's own words for what re2js says. */
function re2Message(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const match = /^error parsing regexp: (.*?)(?:: `([\s\S]*)`)?$/.exec(text);
  if (match === null) return text;
  const what = WORDS[match[1]!] ?? match[1]!;
  return match[2] === undefined ? what : `${what}: ${match[2]}`;
}

const WORDS: Record<string, string> = {
  "missing closing )": "missing )",
  "missing closing ]": "missing ]",
  "missing argument to repetition operator": "no argument for repetition operator",
  "invalid or unsupported Perl syntax": "invalid perl operator",
  "invalid repeat count": "invalid repetition size",
  "invalid nested repetition operator": "bad repetition operator",
};

const NON_ASCII = /[^\0-\x7f]/;

function isAscii(text: string): boolean {
  return !NON_ASCII.test(text);
}

function toUnicode(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, "latin1").toString("utf8");
}

/** Back to one character per byte, unless the text never left ASCII. */
function toLatin1(text: string, original: string): string {
  return isAscii(text) && isAscii(original) ? text : Buffer.from(text, "utf8").toString("latin1");
}
