/** The methods that Envoy's parser knows: IANA's registry around WebDAV. "M-SEARCH" is not among them, "MSEARCH" is. */
const METHODS = new Set(
  (
    "ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS " +
    "PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE"
  ).split(" "),
);

/** Whether a request may have this method when custom ones are not allowed. */
export function isKnownMethod(method: string): boolean {
  return METHODS.has(method);
}

/** Whether a request of this method without a body says so by "content-length: 0" (RFC 9110 section 8.6). */
export function announcesEmptyBody(method: string): boolean {
  return (
    method !== "GET" && method !== "HEAD" && method !== "DELETE" && method !== "TRACE" && method !== "CONNECT"
  );
}
