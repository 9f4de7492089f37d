import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** An answer that is not the one asked for, as `{ error: { code, message } }`. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode
  readonly code: string

  constructor(status: ContentfulStatusCode, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export const notFound = (what: string) => new ApiError(404, 'not-found', `There is no such ${what}.`)
