import type { Transport } from '../transport.ts'

/** Asks the app for tokens, one question at a time: who asks while an answer is awaited waits for that one. */
export class TokenSource {
  readonly #provide: NonNullable<Transport['token']>
  #asked: Promise<string | undefined> | undefined

  constructor(provide: Transport['token']) {
    this.#provide = provide ?? (() => undefined)
  }

  /** The app has been asked and has not answered. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  ask(): Promise<string | undefined> {
    if (this.#asked) return this.#asked
    // An async function, so that a provider that throws is one that rejects.
    const asked = (async () => (await this.#provide()) ?? undefined)().finally(() => {
      if (this.#asked === asked) this.#asked = undefined
    })
    return (this.#asked = asked)
  }

  /** L10: what is on its way belongs to the last user. */
  forget(): void {
    this.#asked = undefined
  }
}
