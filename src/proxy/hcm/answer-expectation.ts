import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { CodecStream } from "../../http/stream.ts";

const EXPECT = knownHeaderId("expect");

/** Answers "expect: 100-continue" of an HTTP/2 request and removes it; the HTTP/1 codec does so by itself. */
export function answerExpectation(codec: CodecStream, headers: HeaderMap): void {
  if (headers.getId(EXPECT)?.toLowerCase() !== "100-continue") return;
  codec.interim(100, undefined);
  headers.removeId(EXPECT);
}
