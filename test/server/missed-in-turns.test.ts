import { expect, it } from 'vitest'
import { FanOut } from '../../src/server/topics/fan-out.ts'
import { WriteQueue } from '../../src/server/sockets/write-queue.ts'

it('word that something was missed reaches a large audience over several turns, between what was heard before and after', () => {
  const turns: (() => void)[] = []
  const defer = (run: () => void) => void turns.push(run)
  let now = 0
  const clock = { now: () => now++, after: () => () => {} }
  const writes = new WriteQueue(clock, defer)
  const fanOut = new FanOut(defer, writes, clock)
  const heard = Array.from({ length: 500 }, () => [] as (number | 'missed')[])
  for (const list of heard) {
    fanOut.join('t', {
      place: -1,
      deliver: ({ events }) => list.push(...events.map(({ offset }) => offset)),
      missed: () => list.push('missed'),
    })
  }
  const hear = (offset: number) => {
    fanOut.hear({ topic: 't', epoch: 'e', event: { type: 'n', json: '0', offset } })
  }
  const reached = () => heard.filter((list) => list.includes('missed')).length

  hear(1)
  fanOut.missed()
  fanOut.missed()
  hear(4)
  expect(reached()).toBeLessThan(500)
  let taken = 0
  for (let run = turns.shift(); run; run = turns.shift(), taken++) run()
  expect(taken).toBeGreaterThan(5)
  for (const list of heard)
    expect(list.filter((one, index) => one !== list[index - 1])).toEqual([1, 'missed', 4])
})
