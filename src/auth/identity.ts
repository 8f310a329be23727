/** Who asks, once a credential has proved it. */
export interface Identity {
  readonly user: string;
  readonly roles: readonly string[];
  /** The roles as they stand in the header `x-user-roles`. */
  readonly rolesHeader: string;
  /** When the credential ends, in milliseconds since the Unix epoch; Infinity for never. */
  readonly expiresAt: number;
}

const userRule = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;
const roleRule = /^[A-Za-z0-9._:/@-]{1,128}$/;

/**
 * Builds an identity whose parts fit into headers: a role cannot pose as two. Throws an Error that names what does not fit.
 */
export function makeIdentity(user: string, roles: readonly string[], expiresAt: number): Identity {
  if (!userRule.test(user)) throw new Error("the user id must be 1 to 255 printable ASCII characters");
  const bad = roles.find((role) => !roleRule.test(role));
  if (bad !== undefined) {
    throw new Error(`role "${bad}" must be 1 to 128 letters, digits or any of . _ : / @ -`);
  }
  return { user, roles, rolesHeader: roles.join(","), expiresAt };
}
