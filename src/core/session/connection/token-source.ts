import type { Clock } from '../../clock.ts'
import type { Transport } from '../../transport.ts'

/** A question that has no answer by then may have gone out over a network that is gone: the next dial asks anew. In ms. */
const MAX_ANSWER_MS = 60_000

/** Asks the app for tokens, one question at a time: who asks while an answer is awaited waits for that one. */
export class TokenSource {
  readonly #provide: NonNullable<Transport['token']>
  readonly #clock: Clock
  #asked: Promise<string | undefined> | undefined
  #askedAt = 0

  constructor(provide: Transport['token'], clock: Clock) {
    this.#provide = provide ?? (() => undefined)
    this.#clock = clock
  }

  /** The app has been asked and has not answered. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  ask(): Promise<string | undefined> {
    const now = this.#clock.now()
    if (this.#asked && now - this.#askedAt < MAX_ANSWER_MS) return this.#asked
    this.#askedAt = now
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
