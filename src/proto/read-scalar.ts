// One value of YAML or JSON → one scalar of a message, as protobuf's JSON reader in the mode Envoy uses takes it.
import { ScalarType } from "@bufbuild/protobuf";
import type { DescEnum } from "@bufbuild/protobuf";
import { nearest } from "../base/nearest.ts";
import { describeTree } from "./tree.ts";
import type { ScalarTree } from "./tree.ts";

export type ScalarValue = string | number | bigint | boolean | Uint8Array;
/** A value, or what it must be instead (to be put behind "must be …"). */
export type Read<T> = { value: T; wrong?: undefined } | { wrong: string; value?: undefined };

/** Reads a field of the given scalar type. */
export function readScalar(type: ScalarType, tree: ScalarTree): Read<ScalarValue> {
  switch (type) {
    case ScalarType.STRING:
      return readString(tree);
    case ScalarType.BOOL:
      return readBool(tree);
    case ScalarType.BYTES:
      return readBytes(tree);
    case ScalarType.DOUBLE:
      return readDouble(tree, Number.MAX_VALUE);
    case ScalarType.FLOAT:
      return readDouble(tree, MAX_FLOAT);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return readInteger(tree, -(2n ** 63n), 2n ** 63n - 1n);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return readInteger(tree, 0n, 2n ** 64n - 1n);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return narrow(readInteger(tree, 0n, 2n ** 32n - 1n));
    default:
      return narrow(readInteger(tree, -(2n ** 31n), 2n ** 31n - 1n));
  }
}

/** Reads an enum by name (upper or lower case, as Envoy) or by number. */
export function readEnum(type: DescEnum, tree: ScalarTree): Read<number> {
  if (type.typeName === "google.protobuf.NullValue") return { value: 0 };
  if (typeof tree.value === "number" && isInt32(tree.value)) return { value: tree.value };
  if (typeof tree.value === "string") {
    const text = tree.value;
    const upper = text.toUpperCase();
    const found = type.values.find((v) => v.name === text) ?? type.values.find((v) => v.name === upper);
    if (found !== undefined) return { value: found.number };
    if (/^-?\d+$/.test(text) && isInt32(Number(text))) return { value: Number(text) };
  }
  const names = type.values.map((value) => value.name);
  const guess = typeof tree.value === "string" ? nearest(tree.value.toUpperCase(), names) : undefined;
  const list = names.length <= 12 ? names.join(", ") : `${names.slice(0, 12).join(", ")}, ...`;
  return {
    wrong: `one of ${list}, not ${describeTree(tree)}${guess === undefined ? "" : ` (did you mean "${guess}"?)`}`,
  };
}

const MAX_FLOAT = 3.4028234663852886e38;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
/** The reader of numbers in Envoy's loader takes these in quoted text, too. */
const HEXADECIMAL = /^-?0[xX][0-9a-fA-F]+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;

function readString(tree: ScalarTree): Read<string> {
  if (typeof tree.value === "string") return { value: tree.value };
  return { wrong: `a string, not ${describeTree(tree)}${tree.value === null ? "" : " (put it in quotes)"}` };
}

function readBool(tree: ScalarTree): Read<boolean> {
  if (typeof tree.value === "boolean") return { value: tree.value };
  if (typeof tree.value === "string") {
    const text = tree.value.toLowerCase();
    if (["true", "t", "yes", "y", "1"].includes(text)) return { value: true };
    if (["false", "f", "no", "n", "0"].includes(text)) return { value: false };
  }
  return { wrong: `true or false, not ${describeTree(tree)}` };
}

function readBytes(tree: ScalarTree): Read<Uint8Array> {
  if (
    typeof tree.value === "string" &&
    BASE64.test(tree.value) &&
    tree.value.replace(/=+$/, "").length % 4 !== 1
  ) {
    return { value: new Uint8Array(Buffer.from(tree.value, "base64")) };
  }
  return { wrong: `base64 text, not ${describeTree(tree)}` };
}

function readDouble(tree: ScalarTree, max: number): Read<number> {
  let number: number | undefined;
  if (typeof tree.value === "number") number = tree.value;
  else if (typeof tree.value === "string") {
    if (tree.value === "NaN") return { value: Number.NaN };
    if (tree.value === "Infinity") return { value: Infinity };
    if (tree.value === "-Infinity") return { value: -Infinity };
    if (NUMBER.test(tree.value)) number = Number(tree.value);
    else if (HEXADECIMAL.test(tree.value)) number = Number(parseHexadecimal(tree.value));
  }
  if (number === undefined) return { wrong: `a number, not ${describeTree(tree)}` };
  if (Math.abs(number) > max) return { wrong: `a number up to ${max}, not ${tree.source}` };
  return { value: number };
}

function readInteger(tree: ScalarTree, min: bigint, max: bigint): Read<bigint> {
  const value = integerOf(tree);
  if (value === undefined) return { wrong: `a whole number, not ${describeTree(tree)}` };
  if (value < min || value > max) return { wrong: `a whole number from ${min} to ${max}, not ${value}` };
  return { value };
}

/** Whole numbers, also written as text, with an exponent, or with a fraction of zero. */
function integerOf(tree: ScalarTree): bigint | undefined {
  if (typeof tree.value !== "number" && typeof tree.value !== "string") return undefined;
  if (typeof tree.value === "number" && Number.isSafeInteger(tree.value)) return BigInt(tree.value);
  const text = typeof tree.value === "string" ? tree.value : tree.source;
  if (/^-?\d+$/.test(text)) return BigInt(text);
  if (HEXADECIMAL.test(text)) return parseHexadecimal(text);
  if (!NUMBER.test(text)) return undefined;
  const number = Number(text);
  return Number.isInteger(number) ? BigInt(number) : undefined;
}

function narrow(read: Read<bigint>): Read<number> {
  return read.wrong === undefined ? { value: Number(read.value) } : read;
}

function parseHexadecimal(text: string): bigint {
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

function isInt32(value: number): boolean {
  return (value | 0) === value;
}
