// A value that must not be printed. It shows as [redacted] wherever it is logged, serialised or
// interpolated; only reveal() gives it out.
import { inspect } from 'node:util'

const REDACTED = '[redacted]'

/** Wraps a secret so that printing it by accident shows nothing. */
export class Secret<T> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** Returns the secret itself; call it where it is used, never where it is passed on. */
  reveal(): T {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
