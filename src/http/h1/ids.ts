import { knownHeaderId } from "../header-name.ts";

export const HOST = knownHeaderId("host");
export const CONNECTION = knownHeaderId("connection");
export const PROXY_CONNECTION = knownHeaderId("proxy-connection");
export const CONTENT_LENGTH = knownHeaderId("content-length");
export const TRANSFER_ENCODING = knownHeaderId("transfer-encoding");
export const UPGRADE = knownHeaderId("upgrade");
export const EXPECT = knownHeaderId("expect");
export const HTTP2_SETTINGS = knownHeaderId("http2-settings");
