import type { Clock } from '../../clock.ts'
import { RealtimeError } from '../../errors.ts'
import type { TopicInterest } from './topic-interest.ts'

/** Long enough for a screen to be there, in ms. */
const LOOK_AFTER_MS = 5_000

export interface TopicsWarningOptions {
  clock: Clock
  interest: Pick<TopicInterest, 'wanted' | 'observed'>
  onError(error: RealtimeError): void
}

/**
 * Looks, a while after a connection, whether anything can come over it at all. Without topics a server of `rqb.v1` sends
 * nothing, and nothing else would say so.
 */
export class TopicsWarning {
  readonly #options: TopicsWarningOptions
  #cancel: (() => void) | undefined
  #hasWarned = false

  constructor(options: TopicsWarningOptions) {
    this.#options = options
  }

  connection(isLive: boolean): void {
    const { clock } = this.#options
    if (this.#hasWarned || isLive === (this.#cancel !== undefined)) return
    this.#cancel?.()
    this.#cancel = isLive
      ? clock.after(LOOK_AFTER_MS, () => {
          this.#look()
        })
      : undefined
  }

  #look(): void {
    const { interest } = this.#options
    if (interest.wanted().size > 0 || interest.observed().next().done) return
    this.#hasWarned = true
    const remedy = 'Name them in `meta.topics` of queries, or give the bridge `topics`.'
    const message = `Connected, but no topic is wanted: no event can come. ${remedy}`
    this.#options.onError(new RealtimeError('usage', message))
  }
}
