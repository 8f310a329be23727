/** One HTTP/1.x message found in bytes (latin1 text); head lines are kept exactly as they came. */
export interface HttpMessage {
  startLine: string;
  /** Header lines as on the wire, without line ends. */
  headerLines: string[];
  body: string;
  trailerLines: string[];
  framing: "none" | "length" | "chunked" | "close";
  /** Offset just after the message. */
  end: number;
  /** False when bytes are still missing. */
  complete: boolean;
}

export interface ReadOptions {
  /** The peer has ended the connection, which completes a body without length. */
  ended?: boolean;
  /** Method of the request that a response answers; a response to HEAD has no body. */
  method?: string;
}

/**
 * Reads the message that starts at `from`. Meant for tests: it takes what a strict parser would refuse, and returns
 * undefined only while the head is incomplete.
 */
export function readHttpMessage(
  text: string,
  from: number,
  options: ReadOptions = {},
): HttpMessage | undefined {
  const headEnd = text.indexOf("\r\n\r\n", from);
  if (headEnd < 0) return undefined;
  const [startLine = "", ...headerLines] = text.slice(from, headEnd).split("\r\n");
  const message: HttpMessage = {
    startLine,
    headerLines,
    body: "",
    trailerLines: [],
    framing: "none",
    end: headEnd + 4,
    complete: true,
  };
  const isResponse = startLine.startsWith("HTTP/");
  const status = isResponse ? Number(startLine.split(" ")[1]) : 0;
  if (isResponse && (options.method === "HEAD" || status < 200 || status === 204 || status === 304))
    return message;
  const length = headerValue(message, "content-length");
  if (headerValue(message, "transfer-encoding") !== undefined) readChunked(text, message);
  else if (length !== undefined) readLength(text, message, Number(length));
  else if (isResponse) readToEnd(text, message, options.ended === true);
  return message;
}

/** Value of the first header of that name (lower case), or undefined. */
export function headerValue(message: HttpMessage, name: string): string | undefined {
  const line = message.headerLines.find((entry) => entry.slice(0, entry.indexOf(":")).toLowerCase() === name);
  return line === undefined ? undefined : line.slice(line.indexOf(":") + 1).trim();
}

/** Status code of a response, 0 for a request. */
export function statusOf(message: HttpMessage): number {
  return message.startLine.startsWith("HTTP/") ? Number(message.startLine.split(" ")[1]) : 0;
}

function readLength(text: string, message: HttpMessage, length: number): void {
  message.framing = "length";
  message.body = text.slice(message.end, message.end + length);
  message.complete = message.body.length === length;
  message.end += message.body.length;
}

function readToEnd(text: string, message: HttpMessage, ended: boolean): void {
  message.framing = "close";
  message.body = text.slice(message.end);
  message.end = text.length;
  message.complete = ended;
}

function readChunked(text: string, message: HttpMessage): void {
  message.framing = "chunked";
  message.complete = false;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", message.end);
    if (lineEnd < 0) return;
    const size = Number.parseInt(text.slice(message.end, lineEnd), 16);
    if (!Number.isFinite(size)) return;
    if (size === 0) return readTrailers(text, message, lineEnd);
    const data = text.slice(lineEnd + 2, lineEnd + 2 + size);
    message.body += data;
    if (text.length < lineEnd + 2 + size + 2) {
      message.end = text.length;
      return;
    }
    message.end = lineEnd + 2 + size + 2;
  }
}

function readTrailers(text: string, message: HttpMessage, lastChunkEnd: number): void {
  const end = text.indexOf("\r\n\r\n", lastChunkEnd);
  if (end < 0) return;
  if (end > lastChunkEnd) message.trailerLines = text.slice(lastChunkEnd + 2, end).split("\r\n");
  message.end = end + 4;
  message.complete = true;
}
