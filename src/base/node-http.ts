/**
 * node:http. An import statement would load undici, HTTP/2 and TLS as well, for exports that nobody here uses: that takes
 * 45 ms of CPU and 5 MB in every process.
 */
export const http: typeof import("node:http") = process.getBuiltinModule("node:http");
