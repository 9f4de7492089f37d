import { describe, expect, it } from 'vitest'
import { inTurns } from '../../src/server/sockets/in-turns.ts'
import { manualClock } from './manual.ts'

describe('inTurns', () => {
  it('comes to everybody, and lets the process do something else every few ms', async () => {
    const time = manualClock()
    const done: number[] = []
    const turns: number[] = []
    await inTurns(
      Array.from({ length: 100 }, (_, n) => n),
      (n) => {
        time.advance(1)
        done.push(n)
      },
      {
        clock: time.clock,
        defer: (run) => {
          turns.push(done.length)
          run()
        },
      },
    )
    expect(done).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(turns).toEqual([16, 32, 48, 64, 80, 96])
  })

  it('takes no other turn for a few', () => {
    const done: number[] = []
    void inTurns([1, 2, 3], (n) => done.push(n))
    expect(done).toEqual([1, 2, 3])
  })
})
