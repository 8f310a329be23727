/** The fields of a head that are no header lines: the pseudo fields of HTTP/2, request and status line of HTTP/1.1. */
export abstract class PseudoFields {
  scheme = "";
  /** There is a Host and it is empty: the one way to tell that from none. Says nothing once `authority` is set. */
  emptyAuthority = false;
  /** `:protocol` of an extended CONNECT. */
  protocol = "";
  /** Response status; 0 for requests and trailers. */
  status = 0;

  #method = "";
  #path = "";
  #authority = "";
  #startEnd = 0;

  /** Request method; "" when absent, as `path` and `authority`. */
  get method(): string {
    return this.#method;
  }

  set method(method: string) {
    this.#method = method;
    this.#startEnd = 0;
  }

  get path(): string {
    return this.#path;
  }

  set path(path: string) {
    this.#path = path;
    this.#startEnd = 0;
  }

  get authority(): string {
    return this.#authority;
  }

  set authority(authority: string) {
    this.#authority = authority;
    this.#startEnd = 0;
  }

  /** So much of a received head's text is request line and host line as they would be written now; 0 = none of it. */
  protected get startEnd(): number {
    return this.#startEnd;
  }

  /** Codec side: the first `end` characters of the raw text are the request line and the host line as they would be written. */
  keepStart(end: number): void {
    this.#startEnd = end;
  }

  protected clearPseudo(): void {
    this.#method = this.#path = this.scheme = this.#authority = this.protocol = "";
    this.status = this.#startEnd = 0;
    this.emptyAuthority = false;
  }

  /** Takes over all fields of another head. */
  protected copyPseudo(other: PseudoFields): void {
    this.method = other.#method;
    this.path = other.#path;
    this.scheme = other.scheme;
    this.authority = other.#authority;
    this.emptyAuthority = other.emptyAuthority;
    this.protocol = other.protocol;
    this.status = other.status;
  }

  protected pseudo(name: string): string | undefined {
    switch (name) {
      case ":method":
        return this.#method || undefined;
      case ":path":
        return this.#path || undefined;
      case ":scheme":
        return this.scheme || undefined;
      case ":authority":
      case "host":
        return this.#authority || (this.emptyAuthority ? "" : undefined);
      case ":protocol":
        return this.protocol || undefined;
      case ":status":
        return this.status === 0 ? undefined : String(this.status);
      default:
        return undefined;
    }
  }

  protected setPseudo(name: string, value: string): void {
    if (name === ":method") this.method = value;
    else if (name === ":path") this.path = value;
    else if (name === ":scheme") this.scheme = value;
    else if (name === ":authority" || name === "host") this.authority = value;
    else if (name === ":protocol") this.protocol = value;
    else if (name === ":status") this.status = Number(value);
  }
}
