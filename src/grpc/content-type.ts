/** Whether a message's content-type is gRPC's: "application/grpc" or "application/grpc+…", as Envoy sees it. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith("application/grpc")) return false;
  return contentType.length === 16 || contentType.charCodeAt(16) === 43;
}
