export const ENDPOINTS_PER_SERVICE = 10;

/** Names as go-control-plane/main.go has them. */
export function serviceName(i: number): string {
  return `service-${String(i).padStart(4, "0")}`;
}
