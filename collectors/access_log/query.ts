import { withoutSecrets } from '../mesh/secrets.ts'
import type { Words } from './words.ts'

const [ampersand, semicolon, equals] = [38, 59, 61]

/** Tells which query strings may hold a secret, by the names of their parameters; most do not, and need not become texts. */
export class Queries {
  readonly #words: Words
  /** By word, whether it names a secret. */
  #isSecret: boolean[] = []
  #era = 0

  constructor(words: Words) {
    this.#words = words
  }

  /** Looks at the parameters from `start` on, which is behind the question mark. */
  mayHoldSecret(bytes: Buffer, start: number, end: number): boolean {
    let name = start
    for (let at = start; at < end; at++) {
      const byte = bytes[at]
      if (byte === ampersand || byte === semicolon) name = at + 1
      else if (byte === equals && name <= at) {
        if (this.#isSecretName(bytes, name, at)) return true
        name = end
      }
    }
    return false
  }

  #isSecretName(bytes: Buffer, start: number, end: number): boolean {
    const word = this.#words.find(bytes, start, end)
    const { era, texts } = this.#words
    if (era !== this.#era) {
      this.#era = era
      this.#isSecret = []
    }
    return (this.#isSecret[word] ??= isSecret(texts[word]))
  }
}

function isSecret(name: string): boolean {
  const query = `?${name}=x`
  return withoutSecrets(query) !== query
}
