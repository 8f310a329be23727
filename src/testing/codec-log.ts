import type { HeaderMap } from "../http/header-map.ts";
import type { Metadata } from "../http/metadata.ts";
import type {
  ByteSink,
  ClientCodecHandler,
  CodecError,
  CodecStream,
  ResetReason,
  ServerCodecHandler,
  StreamHandler,
} from "../http/stream.ts";

/** A sink that keeps what is written, for tests of codecs. */
export class TextSink implements ByteSink {
  text = "";
  pauses = 0;
  full = false;

  writeText(text: string): void {
    this.text += text;
  }

  writeBytes(bytes: Buffer): boolean {
    this.text += bytes.toString("latin1");
    return !this.full;
  }

  pauseReading(): void {
    this.pauses++;
  }

  resumeReading(): void {
    this.pauses--;
  }

  /** What was written since the last call. */
  take(): string {
    const text = this.text;
    this.text = "";
    return text;
  }
}

/** Writes down what a codec tells a stream; neighbouring body chunks become one line. */
export class StreamLog implements StreamHandler {
  readonly lines: string[];
  /** Called after each event. */
  after: (log: StreamLog, event: string) => void = () => {};
  complete = false;

  constructor(lines: string[] = []) {
    this.lines = lines;
  }

  onInterim(status: number, headers: HeaderMap): void {
    this.#add("interim", `${status} ${showLines(headers)}`);
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.complete ||= end;
    const { method, path, scheme, authority, status } = headers;
    const start = method === "" ? String(status) : `${method} ${path} ${scheme} [${authority}]`;
    this.#add("headers", `${start} ${showLines(headers)}${end ? " END" : ""}`);
    headers.release();
  }

  onData(chunk: Buffer, end: boolean): void {
    this.complete ||= end;
    const text = chunk.toString("latin1");
    const last = this.lines.at(-1);
    if (last?.startsWith("data ") && !last.endsWith(" END"))
      this.lines[this.lines.length - 1] = last + text + (end ? " END" : "");
    else if (text !== "" || end) this.lines.push(`data ${text}${end ? " END" : ""}`);
    this.after(this, "data");
  }

  onTrailers(trailers: HeaderMap): void {
    this.complete = true;
    this.#add("trailers", showLines(trailers));
    trailers.release();
  }

  onMetadata(metadata: Metadata): void {
    this.#add("metadata", [...metadata].map(([name, value]) => `${name}: ${value}`).join("|"));
  }

  onReset(reason: ResetReason, detail: string): void {
    this.#add("reset", `${reason} ${detail}`);
  }

  onCodecError(error: CodecError): void {
    this.#add("error", `${error.status} ${error.details}`);
  }

  onDrain(): void {
    this.#add("drain", "");
  }

  #add(event: string, text: string): void {
    this.lines.push(`${event} ${text}`.trimEnd());
    this.after(this, event);
  }
}

/** Writes down what a server codec tells, all streams into one list. */
export class ServerLog implements ServerCodecHandler {
  readonly lines: string[] = [];
  stream!: CodecStream;
  /** Called after each event of a stream. */
  after: (log: StreamLog, event: string) => void = () => {};

  onStream(stream: CodecStream): StreamHandler {
    this.stream = stream;
    const log = new StreamLog(this.lines);
    log.after = (log, event) => this.after(log, event);
    return log;
  }

  onClose(reason: string): void {
    this.lines.push(`close ${reason}`);
  }
}

/** Writes down what a client codec tells its pool. */
export class PoolLog implements ClientCodecHandler {
  readonly lines: string[];

  constructor(lines: string[] = []) {
    this.lines = lines;
  }

  onIdle(): void {
    this.lines.push("idle");
  }

  onUnusable(reason: string): void {
    this.lines.push(`unusable ${reason}`);
  }

  onLongBody(on: boolean): void {
    this.lines.push(`long-body ${on}`);
  }
}

function showLines(headers: HeaderMap): string {
  return headers.toLines().trimEnd().split("\r\n").join("|");
}
