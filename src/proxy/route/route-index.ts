import type { HeaderMap } from "../../http/header-map.ts";
import { lowerAscii } from "../matcher/string-matcher.ts";
import type { CompiledRoute } from "./compiled-route.ts";
import { pathEnd } from "./path-rewrite.ts";
import { TrieNode } from "./path-trie.ts";

/**
 * The routes of a virtual host, arranged so that the first one that matches is found by walking the path once, however
 * many routes there are. A route that matches but stands behind another match in the list never wins, as if the list
 * were tried in order.
 */
export class RouteIndex {
  readonly #routes: readonly CompiledRoute[];
  readonly #sensitive = new TrieNode("");
  readonly #insensitive = new TrieNode("");
  #hasSensitive = false;
  #hasInsensitive = false;
  /** Numbers of the routes for CONNECT. */
  readonly #connects: number[] = [];

  constructor(routes: readonly CompiledRoute[]) {
    this.#routes = routes;
    for (let number = 0; number < routes.length; number++) this.#add(number, routes[number]!);
  }

  /** The first route of the list that matches. `random` in [0, 1) decides about runtime fractions. */
  find(headers: HeaderMap, random: number): CompiledRoute | undefined {
    const path = headers.path;
    if (path === "") return this.#findConnect(headers, random);
    const end = pathEnd(path);
    let best = this.#routes.length;
    if (this.#hasSensitive) best = this.#walk(this.#sensitive, path, end, headers, random, best);
    if (this.#hasInsensitive)
      best = this.#walk(this.#insensitive, lowerAscii(path), end, headers, random, best);
    return this.#routes[best];
  }

  #add(number: number, route: CompiledRoute): void {
    const path = route.path;
    if (path.kind === "never") return;
    if (path.kind === "connect") {
      this.#connects.push(number);
      return;
    }
    if (path.kind === "regex") {
      this.#hasSensitive = true;
      (this.#sensitive.insert(literalPrefix(path.regex.pattern)).prefixes ??= []).push(number);
      return;
    }
    const root = path.ignoreCase ? this.#insensitive : this.#sensitive;
    if (path.ignoreCase) this.#hasInsensitive = true;
    else this.#hasSensitive = true;
    const node = root.insert(path.ignoreCase ? lowerAscii(path.text) : path.text);
    if (path.kind === "prefix") (node.prefixes ??= []).push(number);
    else if (path.kind === "path") (node.exact ??= []).push(number);
    else (node.separated ??= []).push(number);
  }

  /** A request without a path: CONNECT, which no other kind of route takes. */
  #findConnect(headers: HeaderMap, random: number): CompiledRoute | undefined {
    if (headers.method !== "CONNECT") return undefined;
    return this.#routes[this.#first(this.#connects, headers, random, this.#routes.length)];
  }

  #walk(
    root: TrieNode,
    path: string,
    end: number,
    headers: HeaderMap,
    random: number,
    limit: number,
  ): number {
    let best = limit;
    let node = root;
    let at = 0;
    for (;;) {
      if (node.prefixes !== undefined) best = this.#first(node.prefixes, headers, random, best);
      if (at === end) {
        if (node.exact !== undefined) best = this.#first(node.exact, headers, random, best);
        if (node.separated !== undefined) best = this.#first(node.separated, headers, random, best);
        return best;
      }
      const code = path.charCodeAt(at);
      if (code === 47 && node.separated !== undefined)
        best = this.#first(node.separated, headers, random, best);
      const next = node.child(code);
      if (next === undefined) return best;
      const label = next.label;
      const stop = at + label.length;
      if (stop > end) return best;
      for (let i = 1; i < label.length; i++) {
        if (label.charCodeAt(i) !== path.charCodeAt(at + i)) return best;
      }
      at = stop;
      node = next;
    }
  }

  /** The first of `numbers` whose route matches, if it is below `limit`. */
  #first(numbers: readonly number[], headers: HeaderMap, random: number, limit: number): number {
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i]!;
      if (number >= limit) return limit;
      if (holds(this.#routes[number]!, headers, random)) return number;
    }
    return limit;
  }
}

function holds(route: CompiledRoute, headers: HeaderMap, random: number): boolean {
  if (route.conditions !== undefined && !route.conditions.hold(headers, random)) return false;
  if (route.path.kind !== "regex") return true;
  const path = headers.path;
  return route.path.regex.fullMatch(path.slice(0, pathEnd(path)));
}

/** Characters with which every text that matches the pattern begins. */
function literalPrefix(pattern: string): string {
  if (pattern.includes("|")) return "";
  const match = /^\^?([A-Za-z0-9/_~%!@&=:;,"'<>#` -]*)/.exec(pattern)!;
  const literal = match[1]!;
  const next = pattern[match[0].length];
  return next !== undefined && "*?{+".includes(next) ? literal.slice(0, -1) : literal;
}
