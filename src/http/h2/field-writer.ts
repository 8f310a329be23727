import type { HeaderMap, HeaderVisitor } from "../header-map.ts";
import { knownHeaderId, type HeaderId } from "../header-name.ts";
import { PROTOCOL } from "./hpack/field-code.ts";
import type { HpackEncoder } from "./hpack/encoder.ts";
import type { FrameWriter } from "./frame/frame-writer.ts";

const TE = knownHeaderId("te");
const CONTENT_LENGTH = knownHeaderId("content-length");
/** Fields that HTTP/2 does not have (RFC 9113 section 8.2.2); `host` is `:authority`. */
const SKIPPED = [
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
];
const skipped = new Uint8Array(256);
for (const name of SKIPPED) skipped[knownHeaderId(name)] = 1;

/** Writes header maps as field blocks, between `beginFrame` and `endHeaders`. One for the thread: a block is written in one go. */
class FieldWriter implements HeaderVisitor {
  #encoder!: HpackEncoder;
  #writer!: FrameWriter;
  /** Leave content-length out. */
  #bodiless = false;

  /** @param upgrade protocol of an HTTP/1.1 upgrade, which becomes an extended CONNECT (RFC 8441); else "" */
  request(encoder: HpackEncoder, writer: FrameWriter, map: HeaderMap, upgrade: string): void {
    this.#begin(encoder, writer, upgrade !== "");
    const method = upgrade === "" ? map.method : "CONNECT";
    const protocol = upgrade === "" && method === "CONNECT" ? map.protocol : upgrade;
    encoder.method(writer, method);
    if (method !== "CONNECT" || protocol !== "") {
      encoder.scheme(writer, map.scheme === "" ? "http" : map.scheme);
      if (map.authority !== "") encoder.authority(writer, map.authority);
      encoder.path(writer, map.path);
      if (protocol !== "") encoder.field(writer, PROTOCOL, ":protocol", protocol);
    } else encoder.authority(writer, map.authority);
    map.visit(this);
  }

  response(encoder: HpackEncoder, writer: FrameWriter, map: HeaderMap | undefined, status: number): void {
    // RFC 9110 section 8.6.
    this.#begin(encoder, writer, status < 200 || status === 204);
    encoder.status(writer, status);
    map?.visit(this);
  }

  trailers(encoder: HpackEncoder, writer: FrameWriter, map: HeaderMap): void {
    this.#begin(encoder, writer, false);
    map.visit(this);
  }

  onHeader(id: HeaderId, name: string, value: string): void {
    if (id !== 0) {
      if (skipped[id] === 1 || (id === TE && value !== "trailers")) return;
      if (this.#bodiless && id === CONTENT_LENGTH) return;
    }
    this.#encoder.field(this.#writer, id, name, value);
  }

  #begin(encoder: HpackEncoder, writer: FrameWriter, bodiless: boolean): void {
    this.#encoder = encoder;
    this.#writer = writer;
    this.#bodiless = bodiless;
    writer.beginFrame();
    encoder.begin(writer);
  }
}

export const fieldWriter = new FieldWriter();
