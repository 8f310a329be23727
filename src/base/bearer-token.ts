import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** A token just made. `token` is shown once and never stored; what is stored is `id` and `hash`. */
export interface IssuedToken {
  readonly id: string;
  readonly token: string;
  readonly hash: Buffer;
}

const idBytes = 6;
const secretBytes = 32;
const shape = /^([a-z]{2,8})_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
const nothing = Buffer.alloc(32);

/** Makes a token `<prefix>_<id>_<secret>` with 256 random bits of secret. */
export function issueToken(prefix: string): IssuedToken {
  const id = randomBytes(idBytes).toString("hex");
  const token = `${prefix}_${id}_${randomBytes(secretBytes).toString("base64url")}`;
  return { id, token, hash: hashToken(token) };
}

/** The public part of a token, by which its hash is looked up; undefined when it has not the shape of one. */
export function tokenId(token: string, prefix: string): string | undefined {
  const match = shape.exec(token);
  return match !== null && match[1] === prefix ? match[2] : undefined;
}

export function hashToken(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

/**
 * Whether `token` is the one that was stored as `stored`, in a time that does not depend on where they differ.
 * `stored` undefined (an unknown id) costs the same and gives false.
 */
export function tokenMatches(token: string, stored: Uint8Array | undefined): boolean {
  const known = stored !== undefined && stored.length === nothing.length;
  return timingSafeEqual(hashToken(token), known ? stored : nothing) && known;
}

/** The credentials of an `Authorization: Bearer …` header (RFC 6750, section 2.1); undefined for any other header. */
export function bearerCredentials(header: string | undefined): string | undefined {
  if (header === undefined || header.length < 8 || header.slice(0, 7).toLowerCase() !== "bearer ")
    return undefined;
  const credentials = header.slice(7).trim();
  return credentials === "" ? undefined : credentials;
}
