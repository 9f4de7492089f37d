/**
 * Chance that does not depend on what was drawn before: the same names give the same number. So a command that is
 * taken out of a history changes the luck of its own requests only, and a failing history shrinks.
 */
export class Dice {
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  /** A number in [0, 1). */
  roll(...names: readonly (string | number)[]): number {
    let hash = 2_166_136_261 ^ this.#seed
    for (const char of names.join('/')) hash = Math.imul(hash ^ char.charCodeAt(0), 16_777_619)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
  }
}
