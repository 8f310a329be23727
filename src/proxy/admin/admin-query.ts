/** The decoded query of a request's path, or a form body. A key that comes twice counts with its first value. */
export class AdminQuery {
  readonly entries: readonly (readonly [key: string, value: string])[];

  constructor(text: string) {
    this.entries = text
      .split("&")
      .filter((part) => part !== "")
      .map((part) => {
        const equals = part.indexOf("=");
        return equals < 0
          ? ([unescape(part), ""] as const)
          : ([unescape(part.slice(0, equals)), unescape(part.slice(equals + 1))] as const);
      });
  }

  has(key: string): boolean {
    return this.entries.some(([name]) => name === key);
  }

  /** undefined if absent; "" for a key without value. */
  get(key: string): string | undefined {
    return this.entries.find(([name]) => name === key)?.[1];
  }

  /** Like `get`, but "" counts as absent: the home page's forms send empty fields. */
  text(key: string): string | undefined {
    const value = this.get(key);
    return value === "" ? undefined : value;
  }
}

/** Percent-decoding; what is no escape stays, as in Envoy, and so does "+". */
function unescape(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = Buffer.from(text, "utf8");
  const out = Buffer.alloc(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 0x25 ? bytes.toString("latin1", i + 1, i + 3) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      out[length++] = Number.parseInt(hex, 16);
      i += 2;
    } else out[length++] = bytes[i]!;
  }
  return out.toString("utf8", 0, length);
}
