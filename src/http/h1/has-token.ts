/** Whether a comma-separated list has this lower-case token, in any case. */
export function hasToken(list: string, token: string): boolean {
  if (list.length < token.length) return false;
  const lower = list.toLowerCase();
  if (lower === token) return true;
  if (!lower.includes(",")) return lower.trim() === token;
  return lower.split(",").some((item) => item.trim() === token);
}
