/** Texts with numbers from 1 on, each once; '' is 0. A number that nobody uses any more is given to another text. */
export class Numbered {
  /** By number. */
  readonly texts: string[] = ['']
  readonly #numbers = new Map([['', 0]])
  readonly #uses = [1]
  readonly #free: number[] = []

  get size(): number {
    return this.#numbers.size
  }

  find(text: string): number | undefined {
    return this.#numbers.get(text)
  }

  /** The number of a text, which is nobody's yet where it is new. */
  number(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.#free.pop() ?? this.texts.length
    this.texts[number] = text
    this.#uses[number] = 0
    this.#numbers.set(text, number)
    return number
  }

  use(number: number): number {
    this.#uses[number]++
    return number
  }

  /** Whether nobody uses it any more: then it is no text's number until it is given again. */
  release(number: number): boolean {
    if (--this.#uses[number] > 0) return false
    this.#numbers.delete(this.texts[number])
    this.texts[number] = ''
    this.#free.push(number)
    return true
  }
}
