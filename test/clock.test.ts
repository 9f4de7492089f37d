import { expect, it } from 'vitest'
import { systemClock } from '../src/core/clock.ts'

it('waits without an end for what is without an end, and not 1 ms as a timer of the platform would', async () => {
  let isOver = false
  const cancels = [Infinity, 2 ** 31].map((delayMs) =>
    systemClock.after(delayMs, () => {
      isOver = true
    }),
  )
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  expect(isOver).toBe(false)
  for (const cancel of cancels) cancel()
})
