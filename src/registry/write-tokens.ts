/** The tokens of the registry as those who check requests see them. */
export interface WriteTokens {
  /** How many there are; with none, nobody needs one. */
  readonly size: number;
  /** Whether `token` is one of them. */
  accepts(token: string): boolean;
}

/** What tokens of the registry begin with. */
export const TOKEN_PREFIX = "wrt";

/** A token that may write to the registry; the secret itself is not stored. */
export interface RegistryToken {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
}

/** Where tokens are made, listed and taken away. */
export interface TokenAdmin {
  /** A running registry asks for it from then on. The token is given once only. */
  create(name: string): Promise<string>;
  list(): Promise<readonly RegistryToken[]>;
  /** Gives false when there is none of that id. Without any token left, writes are open again. */
  revoke(id: string): Promise<boolean>;
  close(): Promise<void>;
}
