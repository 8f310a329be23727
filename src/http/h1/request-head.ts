import { latin1 } from "../../base/latin1.ts";
import type { HeaderMap } from "../header-map.ts";
import type { CodecError } from "../stream.ts";
import { AUTHORITY } from "./characters.ts";
import { CODEC_ERROR, HTTPS_ON_PLAINTEXT, INVALID_SCHEME, INVALID_URL } from "./errors.ts";
import { isKnownMethod } from "./methods.ts";
import type { H1ServerOptions } from "./options.ts";
import { HTTP_OTHER, startLine, versionOf } from "./start-line.ts";

const SLASH = 47;
const STAR = 42;
/** A host as Envoy's URL parser takes it, and a port. */
const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d+))?$/;

/** What a request line says; filled by `readRequestLine`, valid until the next. */
export interface RequestLine {
  method: string;
  /** Where the target lies in the bytes. */
  start: number;
  end: number;
  /** HTTP_1_1, HTTP_1_0 or HTTP_OTHER. */
  version: number;
}

/** The thread's request line. */
export const requestLine: RequestLine = { method: "", start: 0, end: 0, version: 0 };

/** Reads the words that `startLine` found. Returns why they are refused. */
export function readRequestLine(bytes: Buffer, options: H1ServerOptions): CodecError | undefined {
  const { firstStart, firstEnd, secondStart, secondEnd, restStart, restEnd } = startLine;
  const method = methodOf(bytes, firstStart, firstEnd);
  if (
    method !== "GET" &&
    !(options.allowCustomMethods ? /^[!#$%&'*+\-.^_`|~\w]+$/.test(method) : isKnownMethod(method))
  )
    return CODEC_ERROR;
  const version = restStart === restEnd ? HTTP_OTHER : versionOf(bytes, restStart, restEnd);
  if (version === 0 || secondStart === secondEnd) return CODEC_ERROR;
  const isPath = startLine.regular && bytes[secondStart] === SLASH;
  if (!isPath && !isTarget(bytes, secondStart, secondEnd, method === "CONNECT")) return CODEC_ERROR;
  requestLine.method = method;
  requestLine.start = secondStart;
  requestLine.end = secondEnd;
  requestLine.version = version;
  return undefined;
}

/** Sets method, path and, for the absolute and authority forms, authority. `host` is what the Host lines say. */
export function setTarget(
  map: HeaderMap,
  target: string,
  host: string,
  options: H1ServerOptions,
): CodecError | undefined {
  const method = requestLine.method;
  map.method = method;
  const first = target.charCodeAt(0);
  if (method === "CONNECT") {
    const parts = HOST_PORT.exec(target);
    if (parts === null || parts[2] === undefined || !isPort(parts[2])) return INVALID_URL;
    map.authority = target;
    return undefined;
  }
  if (first === SLASH || (first === STAR && method === "OPTIONS")) {
    map.path = target;
    map.authority = host;
    return undefined;
  }
  if (first === STAR) return INVALID_URL;
  return setAbsolute(map, target, options);
}

/** Whether all characters may stand in an authority. */
export function isAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (AUTHORITY[text.charCodeAt(i)] !== 1) return false;
  return true;
}

function setAbsolute(map: HeaderMap, target: string, options: H1ServerOptions): CodecError | undefined {
  const colon = target.indexOf("://");
  const scheme = target.slice(0, colon).toLowerCase();
  const rest = target.slice(colon + 3);
  let pathAt = rest.search(/[/?]/);
  if (pathAt < 0) pathAt = rest.length;
  const authority = rest.slice(rest.slice(0, pathAt).indexOf("@") + 1, pathAt);
  const parts = HOST_PORT.exec(authority);
  if (parts === null || (parts[2] !== undefined && !isPort(parts[2]))) return INVALID_URL;
  if (scheme !== "http" && scheme !== "https") return INVALID_SCHEME;
  if (scheme === "https" && options.refuseHttpsUrl) return HTTPS_ON_PLAINTEXT;
  map.scheme = scheme;
  map.authority = authority;
  map.path = pathAt === rest.length ? "/" : rest.slice(pathAt);
  return undefined;
}

function isPort(text: string): boolean {
  return Number(text) <= 65_535;
}

/** The method without a new string for the two that are nearly all. */
function methodOf(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 3 && bytes[start] === 71 && bytes[start + 1] === 69 && bytes[start + 2] === 84) return "GET";
  if (
    length === 4 &&
    bytes[start] === 80 &&
    bytes[start + 1] === 79 &&
    bytes[start + 2] === 83 &&
    bytes[start + 3] === 84
  )
    return "POST";
  return latin1(bytes, start, end);
}

/** The shape of a target as Envoy's parser has it: a path or "*", an authority after CONNECT, else an absolute URL. */
function isTarget(bytes: Buffer, start: number, end: number, connect: boolean): boolean {
  const first = bytes[start]!;
  if (first === SLASH || first === STAR) {
    for (let q = start + 1; q < end; q++) if (bytes[q]! < 33 || bytes[q]! > 126) return false;
    return true;
  }
  const target = latin1(bytes, start, end);
  if (connect) return /^[^/?]*(?:[/?][!-~]*)?$/.test(target) && isAuthority(target.split(/[/?]/, 1)[0]!);
  const match = /^[A-Za-z][A-Za-z0-9+\-.]*:\/\/([^/?]*)([!-~]*)$/.exec(target);
  return match !== null && isAuthority(match[1]!) && !match[1]!.includes("@@");
}
