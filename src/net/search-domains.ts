import { readFileSync } from "node:fs";

/** How short names become full ones. */
export interface SearchRules {
  readonly domains: readonly string[];
  /** Names with fewer dots are tried within the domains first. */
  readonly ndots: number;
}

const NO_RULES: SearchRules = { domains: [], ndots: 1 };

/** The `search` and `ndots` of a resolv.conf; no rules if it cannot be read. */
export function readSearchRules(path = "/etc/resolv.conf"): SearchRules {
  try {
    return parseSearchRules(readFileSync(path, "utf8"));
  } catch {
    return NO_RULES;
  }
}

/** The rules in the text of a resolv.conf. */
export function parseSearchRules(text: string): SearchRules {
  let { domains, ndots } = NO_RULES;
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "search" || keyword === "domain") domains = values;
    if (keyword !== "options") continue;
    const found = values.find((value) => /^ndots:\d+$/.test(value));
    if (found !== undefined) ndots = Number(found.slice("ndots:".length));
  }
  return { domains, ndots };
}

/** Full names to ask for, in turn. A name that ends in a dot is full already. */
export function candidateNames(name: string, rules: SearchRules): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const longer = rules.domains.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= rules.ndots ? [name, ...longer] : [...longer, name];
}
