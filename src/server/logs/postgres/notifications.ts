/**
 * Messages of any size as notifications, which PostgreSQL takes up to 8,000 bytes. All parts of a message are said in
 * one transaction, so a listener hears them one after the other and nothing between them; and each begins with a number
 * of its own, since PostgreSQL says what a transaction says twice only once.
 *
 *   <number>:<which part, from 0>:<how many parts>:<a piece of the text>
 */
import { Buffer } from 'node:buffer'
import { fromSqlText, toSqlText } from './text.ts'

/** The limit without the numbers. */
const MAX_PIECE_BYTES = 7_900

/** `number`: another one for each message of a node. */
export function toNotifications(message: string, number: number): string[] {
  const bytes = Buffer.from(toSqlText(message))
  const pieces: string[] = []
  for (let start = 0; start < bytes.length || start === 0;) {
    let end = Math.min(bytes.length, start + MAX_PIECE_BYTES)
    // Not within a character.
    while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--
    pieces.push(bytes.toString('utf8', start, end))
    if (end === bytes.length) break
    start = end
  }
  return pieces.map((piece, index) => `${number}:${index}:${pieces.length}:${piece}`)
}

/** Puts the parts together again. A message of which a part is missing is left out. */
export class NotificationReader {
  #number = ''
  #pieces: string[] = []

  /** The message that is whole now. */
  read(payload: string): string | undefined {
    const [, number, index, count, piece] = /^(\d+):(\d+):(\d+):(.*)$/s.exec(payload) ?? []
    if (number === undefined || piece === undefined) return undefined
    if (index === '0') {
      this.#number = number
      this.#pieces = []
    } else if (number !== this.#number || Number(index) !== this.#pieces.length) {
      return undefined
    }
    this.#pieces.push(piece)
    if (this.#pieces.length < Number(count)) return undefined
    const whole = this.#pieces.join('')
    this.#pieces = []
    this.#number = ''
    return fromSqlText(whole)
  }
}
