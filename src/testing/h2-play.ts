import type { FakeClock } from "../base/fake-clock.ts";
import type { TimerWheel } from "../base/timer-wheel.ts";
import { HeaderMap } from "../http/header-map.ts";
import { H2ClientCodec } from "../http/h2/client-codec.ts";
import {
  DEFAULT_H2_CLIENT_OPTIONS,
  DEFAULT_H2_SERVER_OPTIONS,
  type H2ClientOptions,
  type H2ServerOptions,
} from "../http/h2/options.ts";
import { H2ServerCodec } from "../http/h2/server-codec.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "./codec-log.ts";
import { FrameLog } from "./h2-frame-log.ts";
import { PREFACE, settings } from "./h2-frames.ts";

/** A server codec with a scripted client: frames go in, and frames and events come out. */
export class H2ServerPlay {
  readonly sink = new TextSink();
  readonly log = new ServerLog();
  readonly codec: H2ServerCodec;
  readonly #frames = new FrameLog();

  /** Past the exchange of settings. */
  constructor(options: Partial<H2ServerOptions> = {}, wheel?: TimerWheel, clock?: FakeClock) {
    this.codec = new H2ServerCodec(
      this.sink,
      this.log,
      { ...DEFAULT_H2_SERVER_OPTIONS, ...options },
      wheel,
      clock,
    );
    this.send(PREFACE, settings());
    this.frames();
  }

  /** Feeds bytes, a piece per argument. */
  send(...pieces: Buffer[]): void {
    for (const piece of pieces) this.codec.feed(piece, 0, piece.length);
  }

  /** What the codec wrote since the last call. */
  frames(): string[] {
    this.#frames.add(Buffer.from(this.sink.take(), "latin1"));
    return this.#frames.take();
  }

  /** What the codec told since the last call. */
  events(): string[] {
    return this.log.lines.splice(0);
  }
}

/** A client codec with a scripted server. */
export class H2ClientPlay {
  readonly sink = new TextSink();
  readonly lines: string[] = [];
  readonly codec: H2ClientCodec;
  readonly #frames = new FrameLog();

  /** Past the exchange of settings; these are the server's. */
  constructor(
    serverSettings: Record<number, number> = {},
    options: Partial<H2ClientOptions> = {},
    wheel?: TimerWheel,
    clock?: FakeClock,
  ) {
    this.codec = new H2ClientCodec(
      this.sink,
      new PoolLog(this.lines),
      { ...DEFAULT_H2_CLIENT_OPTIONS, ...options },
      wheel,
      clock,
    );
    this.send(settings(serverSettings));
    this.frames();
  }

  send(...pieces: Buffer[]): void {
    for (const piece of pieces) this.codec.feed(piece, 0, piece.length);
  }

  /** Opens a stream with a GET, or with another method and a body to come. */
  open(method = "GET", end = method === "GET") {
    const log = new StreamLog(this.lines);
    const stream = this.codec.newStream(log);
    stream.headers(requestMap(method), end);
    return { stream, log };
  }

  frames(): string[] {
    this.#frames.add(Buffer.from(this.sink.take(), "latin1"));
    return this.#frames.take();
  }

  events(): string[] {
    return this.lines.splice(0);
  }
}

export function requestMap(method = "GET", fields: [string, string][] = []): HeaderMap {
  const map = HeaderMap.of(fields);
  map.method = method;
  map.scheme = "http";
  map.authority = "h";
  map.path = "/";
  return map;
}

export function responseMap(status = 200, fields: [string, string][] = []): HeaderMap {
  const map = HeaderMap.of(fields);
  map.status = status;
  return map;
}
