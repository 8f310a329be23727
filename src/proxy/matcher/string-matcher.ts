import { SafeRegex } from "../../base/safe-regex.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";

type StringMatcherConfig = Messages["envoy.type.matcher.v3.StringMatcher"];

/** Says whether a text fits. Compiled once; calling it does not allocate unless it ignores case. */
export type TextMatch = (text: string) => boolean;

/** What of a StringMatcher is read. */
export const stringMatcherLedger: Ledger = {
  "envoy.type.matcher.v3.StringMatcher": [
    "exact",
    "prefix",
    "suffix",
    "safe_regex",
    "contains",
    "ignore_case",
  ],
  "envoy.type.matcher.v3.ListStringMatcher": "all",
  "envoy.type.matcher.v3.RegexMatcher": [
    { field: "google_re2", ignored: "RE2 is the only engine; its program size is not limited" },
    "regex",
  ],
};

/** Compiles a StringMatcher. Throws an Error with Envoy's text for a bad regex. */
export function compileStringMatcher(config: StringMatcherConfig): TextMatch {
  const pattern = config.matchPattern;
  switch (pattern.case) {
    case "exact":
      return exactMatch(pattern.value, config.ignoreCase);
    case "prefix":
      return prefixMatch(pattern.value, config.ignoreCase);
    case "suffix":
      return suffixMatch(pattern.value, config.ignoreCase);
    case "contains":
      return containsMatch(pattern.value, config.ignoreCase);
    case "safeRegex":
      if (config.ignoreCase) throw new Error("ignore_case has no effect for safe_regex.");
      return regexMatch(pattern.value.regex);
    case "custom":
      throw new Error(`StringMatcher: custom matcher "${pattern.value.name}" is not supported`);
    default:
      throw new Error("StringMatcher: one of exact, prefix, suffix, safe_regex, contains must be set");
  }
}

/** True for texts that some pattern of the list fits; undefined for an empty list. */
export function anyOf(
  list: Messages["envoy.type.matcher.v3.ListStringMatcher"] | undefined,
): TextMatch | undefined {
  if (list === undefined || list.patterns.length === 0) return undefined;
  const matches = list.patterns.map((pattern) => compileStringMatcher(pattern));
  return (text) => matches.some((match) => match(text));
}

export function exactMatch(value: string, ignoreCase: boolean): TextMatch {
  if (!ignoreCase) return (text) => text === value;
  const lower = lowerAscii(value);
  return (text) => text.length === lower.length && lowerAscii(text) === lower;
}

export function prefixMatch(value: string, ignoreCase: boolean): TextMatch {
  if (!ignoreCase) return (text) => text.startsWith(value);
  const lower = lowerAscii(value);
  return (text) => lowerAscii(text).startsWith(lower);
}

export function suffixMatch(value: string, ignoreCase: boolean): TextMatch {
  if (!ignoreCase) return (text) => text.endsWith(value);
  const lower = lowerAscii(value);
  return (text) => lowerAscii(text).endsWith(lower);
}

export function containsMatch(value: string, ignoreCase: boolean): TextMatch {
  if (!ignoreCase) return (text) => text.includes(value);
  const lower = lowerAscii(value);
  return (text) => lowerAscii(text).includes(lower);
}

/** The whole text must match. */
export function regexMatch(pattern: string): TextMatch {
  const regex = new SafeRegex(pattern);
  return (text) => regex.fullMatch(text);
}

/** Lower case of the ASCII letters only: header bytes above 0x7f have no case. */
export function lowerAscii(text: string): string {
  return /[^\0-\x7f]/.test(text)
    ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    : text.toLowerCase();
}
