import { RealtimeError } from '../../../core/errors.ts'

/** A name that stands in the SQL as it is, so it may hold nothing that SQL gives a meaning to. */
export function quoted(name: string, what = 'schema of the event log'): string {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(name)) return `"${name}"`
  throw new RealtimeError(
    'usage',
    `The ${what} must be 1 to 40 lower-case letters, digits and _, and begin with a letter. Got '${name}'.`,
  )
}
