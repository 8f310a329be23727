import assert from "node:assert/strict";
import { Corpus, printed } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import { randomOf, type Random } from "./random.ts";

/** A parser under test. */
export interface FuzzTarget {
  /** Names its corpus. */
  readonly name: string;
  /** Inputs to begin with. */
  readonly seeds: readonly Buffer[];
  /** Pieces that mean something to it. */
  readonly parts: readonly Buffer[];
  /** Makes an input that is well-formed in its parts, where bytes alone would seldom do that. */
  readonly compose?: (random: Random) => Buffer;
  /** Plays an input, in pieces of `random`'s choice as well as whole. Throws when that makes a difference. Returns what the parser told. */
  readonly play: (bytes: Buffer, random: Random) => string;
}

/** Milliseconds for each target. */
const BUDGET_MS = Number(process.env["WEFT_FUZZ_MS"] ?? 700);
/** Whether inputs that made a parser tell something new are written to its corpus. */
const KEEPS = process.env["WEFT_FUZZ_KEEP"] === "1";
/** Far above what an input takes on a busy machine, far below what a cost that grows with its square takes. */
const SLOW_MS = 1000;
const MAX_SHRINKS = 500;
const EVENT =
  /^(?:(?:headers|interim|data|trailers)\b|(?:(?:over|idle|drain)|(?:reset|error|close|unusable|fine|bad|more|found) [\w .#=,-]*)$)/;

/**
 * Plays what a target's corpus has, then mutations of it until the time is over. What a parser tells is a sequence of
 * events: an input with two in a row that were not seen so far is mutated in its turn, so the search goes deeper the
 * longer it runs. A failure is reduced to its shortest input, and names the seed: WEFT_FUZZ_SEED=… repeats it.
 */
export function fuzz(target: FuzzTarget): void {
  const seed = Number(process.env["WEFT_FUZZ_SEED"] ?? Date.now() & 0x7fffffff);
  const random = randomOf(seed);
  const corpus = new Corpus(target.name);
  /** The shortest input for each pair of events. */
  const found = new Map<string, Buffer>();
  let inputs: Buffer[] = [];
  const take = (bytes: Buffer): void => {
    for (const pair of pairsOf(play(target, bytes, random, seed))) {
      const known = found.get(pair);
      if (known !== undefined && known.length <= bytes.length) continue;
      found.set(pair, bytes);
      if (known === undefined) inputs.push(bytes);
    }
  };
  for (const bytes of [...target.seeds, ...corpus.inputs]) take(bytes);
  const until = performance.now() + BUDGET_MS;
  for (let round = 1; performance.now() < until; round++) {
    if (round % 1000 === 0) inputs = [...new Set(found.values())];
    const composed = random(3) === 0 ? target.compose?.(random) : undefined;
    const base = composed ?? inputs[random(inputs.length)]!;
    take(composed && random(2) === 0 ? composed : mutate(base, { parts: target.parts, inputs }, random));
  }
  if (KEEPS) corpus.keep([...new Set(Array.from(found, ([pair, bytes]) => distilled(target, pair, bytes)))]);
}

/** Gives pieces of the input one after the other; their bytes change afterwards, as those of a read buffer do. */
export function inPieces(bytes: Buffer, step: number, take: (piece: Buffer) => void): void {
  for (let at = 0; at < bytes.length; at += step) {
    const piece = Buffer.from(bytes.subarray(at, at + step));
    take(piece);
    piece.fill(0x21);
  }
}

function play(target: FuzzTarget, bytes: Buffer, random: Random, seed: number): string {
  const started = performance.now();
  let told: string;
  try {
    told = target.play(bytes, random);
  } catch (error) {
    const short = shrink(bytes, (input) => fails(target, input));
    throw new Error(`${target.name}, WEFT_FUZZ_SEED=${seed}, fails with ${printed(short)}`, { cause: error });
  }
  const took = performance.now() - started;
  assert.ok(took < SLOW_MS, `${target.name} took ${Math.round(took)} ms for ${printed(bytes)}`);
  return told;
}

function fails(target: FuzzTarget, bytes: Buffer): boolean {
  // Every way of cutting it counts, or a shorter input would be lost to chance.
  for (let seed = 0; seed < 8; seed++) {
    try {
      target.play(bytes, randomOf(seed));
    } catch {
      return true;
    }
  }
  return false;
}

/** The shortest part of an input that still makes a parser tell both events. */
function distilled(target: FuzzTarget, pair: string, bytes: Buffer): Buffer {
  return shrink(bytes, (less) => pairsOf(target.play(less, randomOf(0))).has(pair));
}

/** Takes pieces away, large ones first, as long as the rest is as it was. */
function shrink(bytes: Buffer, isSame: (bytes: Buffer) => boolean): Buffer {
  let left = MAX_SHRINKS;
  let short = bytes;
  for (let size = bytes.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= short.length && left-- > 0;) {
      const less = Buffer.concat([short.subarray(0, at), short.subarray(at + size)]);
      if (isSame(less)) short = less;
      else at += size;
    }
  }
  return short;
}

/** Which event came after which, without what they carried. */
function pairsOf(told: string): Set<string> {
  const pairs = new Set<string>();
  let before = "";
  for (const line of told.split("\n")) {
    const event = EVENT.exec(line)?.[0].replaceAll(/\d+/g, "#");
    if (event === undefined) continue;
    const end = line.endsWith(" END") ? "." : "";
    pairs.add(`${before} > ${event}${end}`);
    before = event + end;
  }
  return pairs;
}
