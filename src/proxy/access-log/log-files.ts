import { close, open, openSync, write, writeSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import type { LogFile } from "../api.ts";

/** When lines that are kept are written. */
export interface FlushLimits {
  /** Bytes kept before they are written without waiting. */
  readonly bytes: number;
  /** Longest that a line is kept, milliseconds. */
  readonly after: number;
}

const DEFAULT_LIMITS: FlushLimits = { bytes: 65_536, after: 1000 };
/** Bytes that a UTF-16 code unit takes at most. */
const MAX_UTF8 = 3;
/** Characters that are kept as text. */
const TEXT_LIMIT = 4096;
const NO_BYTES = Buffer.alloc(0);
/** Pause before a full pipe is tried again, milliseconds. */
const RETRY_AFTER = 5;

/** The log files of one thread, one writer per path. */
export class LogFiles {
  readonly #clock: Clock;
  readonly #files = new Map<string, BufferedFile>();
  /** Of files that are asked for from now on. */
  limits: FlushLimits = DEFAULT_LIMITS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The writer for a path; "/dev/stdout" and "/dev/stderr" are the process's own. */
  file(path: string): LogFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = new BufferedFile(path, this.#clock, this.limits);
      this.#files.set(path, file);
    }
    return file;
  }

  /** Writes out everything before the thread ends; waits for the disk. */
  flushAll(): void {
    for (const file of this.#files.values()) file.flush();
  }

  /** Opens all files anew, after rotation. */
  reopenAll(): void {
    for (const file of this.#files.values()) file.reopen();
  }
}

const byClock = new WeakMap<Clock, LogFiles>();

/** The log files that belong to a thread's clock: all listeners of a thread share them. */
export function logFiles(clock: Clock): LogFiles {
  let files = byClock.get(clock);
  if (files === undefined) byClock.set(clock, (files = new LogFiles(clock)));
  return files;
}

/** Appends lines in batches; a batch goes out in one write, so lines of several threads do not mix. */
class BufferedFile implements LogFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #limits: FlushLimits;
  /** The latest lines; soon they become bytes, so that few of them ever outlive a garbage collection. */
  #text = "";
  /** Lines before those. */
  #kept: Buffer = NO_BYTES;
  #used = 0;
  /** Bytes given to the system; null when none are under way. */
  #writing: Buffer | null = null;
  /** What was written last, for the next lines. */
  #spare: Buffer = NO_BYTES;
  #fd = -1;
  #opening = false;
  #cancelFlush: (() => void) | undefined;
  readonly #onWritten = (error: Error | null, count: number): void => this.#written(error, count);
  readonly #onTime = (): void => {
    this.#cancelFlush = undefined;
    this.#start();
  };

  constructor(path: string, clock: Clock, limits: FlushLimits) {
    this.#path = path;
    this.#clock = clock;
    this.#limits = limits;
  }

  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= TEXT_LIMIT) this.#keepText();
    if (this.#used + this.#text.length >= this.#limits.bytes) this.#start();
    else this.#cancelFlush ??= this.#clock.after(this.#limits.after, this.#onTime);
  }

  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#keepText();
    if (this.#used === 0) return;
    const bytes = this.#kept.subarray(0, this.#used);
    this.#used = 0;
    try {
      if (this.#fd < 0) this.#fd = standardFd(this.#path) ?? openSync(this.#path, "a", 0o644);
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    } catch {
      // Lines that cannot be written are lost, the proxy goes on: as Envoy does.
    }
  }

  reopen(): void {
    this.flush();
    if (this.#fd < 0 || standardFd(this.#path) !== undefined) return;
    const old = this.#fd;
    this.#fd = -1;
    close(old, () => {});
  }

  #keepText(): void {
    const text = this.#text;
    if (text === "") return;
    const most = this.#used + text.length * MAX_UTF8;
    if (most > this.#kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#limits.bytes + TEXT_LIMIT * MAX_UTF8, most * 2));
      this.#kept.copy(larger, 0, 0, this.#used);
      this.#kept = larger;
    }
    this.#used += this.#kept.write(text, this.#used);
    this.#text = "";
  }

  #start(): void {
    if (this.#writing !== null || this.#opening) return;
    this.#keepText();
    if (this.#used === 0) return;
    if (this.#fd < 0) return this.#open();
    this.#writing = this.#kept.subarray(0, this.#used);
    this.#kept = this.#spare;
    this.#spare = NO_BYTES;
    this.#used = 0;
    this.#write(this.#writing);
  }

  #open(): void {
    const standard = standardFd(this.#path);
    if (standard !== undefined) {
      this.#fd = standard;
      return this.#start();
    }
    this.#opening = true;
    open(this.#path, "a", 0o644, (error, fd) => {
      this.#opening = false;
      if (error !== null) {
        // As Envoy does: lines of a file that cannot be opened are lost, the proxy goes on.
        this.#used = 0;
        return;
      }
      this.#fd = fd;
      this.#start();
    });
  }

  #write(bytes: Buffer): void {
    write(this.#fd, bytes, 0, bytes.length, null, this.#onWritten);
  }

  #written(error: NodeJS.ErrnoException | null, count: number): void {
    const bytes = this.#writing!;
    if (error?.code === "EAGAIN") {
      // A full pipe: its reader is slow.
      this.#clock.after(RETRY_AFTER, () => this.#write(bytes));
      return;
    }
    if (error === null && count < bytes.length) {
      this.#writing = bytes.subarray(count);
      this.#write(this.#writing);
      return;
    }
    this.#writing = null;
    this.#takeBack(bytes);
    if (this.#used + this.#text.length >= this.#limits.bytes) this.#start();
    else if (this.#used > 0 || this.#text !== "")
      this.#cancelFlush ??= this.#clock.after(this.#limits.after, this.#onTime);
  }

  /** Uses the buffer of written bytes again, unless a slow disk has made it large. */
  #takeBack(bytes: Buffer): void {
    if (bytes.buffer.byteLength > 4 * (this.#limits.bytes + TEXT_LIMIT * MAX_UTF8)) return;
    const whole = Buffer.from(bytes.buffer);
    if (this.#kept.length === 0) this.#kept = whole;
    else this.#spare = whole;
  }
}

function standardFd(path: string): number | undefined {
  return path === "/dev/stdout" ? 1 : path === "/dev/stderr" ? 2 : undefined;
}
