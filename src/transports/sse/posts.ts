import { RealtimeError } from '../../core/errors.ts'
import { LOST, refusalOf } from './refusal.ts'

/** What waits to be sent, in characters. Beyond it the connection is good for nothing. */
const MAX_QUEUED_LENGTH = 1024 * 1024

/** Messages that share a POST, in characters: below the 64 KiB that servers take, whatever the characters. */
const MAX_POST_LENGTH = 16 * 1024

export interface PostsOptions {
  readonly post: (body: string) => Promise<Response>
  /** Nothing more can be sent over this connection: the code to close it with. */
  readonly onFailed: (code: number, error: unknown) => void
}

/** What the client says, one request after the other: two at a time could overtake each other. */
export class Posts {
  readonly #options: PostsOptions
  /** Messages that wait for their POST. */
  #queue: string[] = []
  #queuedLength = 0
  #isPosting = false

  constructor(options: PostsOptions) {
    this.#options = options
  }

  push(message: string): void {
    this.#queue.push(message)
    this.#queuedLength += message.length
    if (this.#queuedLength > MAX_QUEUED_LENGTH) {
      this.#options.onFailed(
        LOST,
        new RealtimeError('transport-failed', 'More is sent than the server takes.'),
      )
    } else if (!this.#isPosting) void this.#run()
  }

  /** Nothing that waits goes out any more. */
  stop(): void {
    this.#queue = []
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { post, onFailed } = this.#options
    this.#isPosting = true
    try {
      while (this.#queue.length > 0) {
        const response = await post(this.#take())
        if (response.ok) {
          await response.body?.cancel()
          continue
        }
        const { code, reason } = await refusalOf(response)
        // Whoever is refused dials again: it is the stream that decides who is let in.
        onFailed(
          code === 4401 || code === 4403 ? LOST : code,
          new Error(`The server answered ${response.status} to a message. ${reason}`),
        )
      }
    } catch (error) {
      onFailed(LOST, error)
    } finally {
      this.#isPosting = false
    }
  }

  #take(): string {
    let body = ''
    for (let next; (next = this.#queue[0]) !== undefined; this.#queue.shift()) {
      if (body !== '' && body.length + next.length > MAX_POST_LENGTH) break
      body += `${next}\n`
      this.#queuedLength -= next.length
    }
    return body
  }
}
