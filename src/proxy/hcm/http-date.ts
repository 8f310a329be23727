let second = -1;
let text = "";

/** A Date header value for milliseconds since the epoch; kept for the current second. */
export function httpDate(wall: number): string {
  const now = Math.floor(wall / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
