import { FLOW_CONTROL_ERROR, NO_ERROR, PROTOCOL_ERROR, type ErrorCode } from "./error-code.ts";
import { DEFAULT_WINDOW, MAX_WINDOW } from "./flow-control.ts";
import { DEFAULT_TABLE_SIZE } from "./hpack/decoder.ts";
import type { H2Options } from "./options.ts";

// Settings of RFC 9113 section 6.5.2 and RFC 8441 section 3.

const HEADER_TABLE_SIZE = 0x1;
const ENABLE_PUSH = 0x2;
const MAX_CONCURRENT_STREAMS = 0x3;
const INITIAL_WINDOW_SIZE = 0x4;
const MAX_FRAME_SIZE = 0x5;
const ENABLE_CONNECT_PROTOCOL = 0x8;

/** Streams that a client opens before it knows the server's limit; the RFC recommends that limits are not smaller. */
const ASSUMED_MAX_CONCURRENT_STREAMS = 100;

/** What we announce, as identifiers and values in turn, in Envoy's order. */
export function ownSettings(options: H2Options, isServer: boolean): number[] {
  const pairs = [...options.customSettings];
  if (!isServer) pairs.push(ENABLE_PUSH, 0);
  pairs.push(HEADER_TABLE_SIZE, options.hpackTableSize);
  pairs.push(ENABLE_CONNECT_PROTOCOL, options.allowConnect ? 1 : 0);
  pairs.push(MAX_CONCURRENT_STREAMS, options.maxConcurrentStreams);
  pairs.push(INITIAL_WINDOW_SIZE, options.initialStreamWindowSize);
  return pairs;
}

/** What the peer has announced. */
export class PeerSettings {
  headerTableSize = DEFAULT_TABLE_SIZE;
  maxConcurrentStreams = ASSUMED_MAX_CONCURRENT_STREAMS;
  initialWindowSize = DEFAULT_WINDOW;
  connectProtocol = false;
  #received = false;

  /** Takes the payload of a SETTINGS frame; returns the connection error that it is, or NO_ERROR. */
  apply(bytes: Buffer, start: number, end: number, fromServer: boolean): ErrorCode {
    // Without the setting there is no limit.
    if (!this.#received) this.maxConcurrentStreams = MAX_WINDOW;
    this.#received = true;
    for (let at = start; at < end; at += 6) {
      const value = bytes.readUInt32BE(at + 2);
      const error = this.#set(bytes.readUInt16BE(at), value, fromServer);
      if (error !== NO_ERROR) return error;
    }
    return NO_ERROR;
  }

  #set(identifier: number, value: number, fromServer: boolean): ErrorCode {
    switch (identifier) {
      case HEADER_TABLE_SIZE:
        this.headerTableSize = value;
        return NO_ERROR;
      case ENABLE_PUSH:
        return value > 1 || (fromServer && value === 1) ? PROTOCOL_ERROR : NO_ERROR;
      case MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return NO_ERROR;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) return FLOW_CONTROL_ERROR;
        this.initialWindowSize = value;
        return NO_ERROR;
      case MAX_FRAME_SIZE:
        // Valid sizes are not below what we write.
        return value < 16_384 || value > 0xff_ffff ? PROTOCOL_ERROR : NO_ERROR;
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (this.connectProtocol && value === 0)) return PROTOCOL_ERROR;
        this.connectProtocol = value === 1;
        return NO_ERROR;
      default:
        return NO_ERROR;
    }
  }
}
