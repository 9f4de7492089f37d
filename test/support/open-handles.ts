import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'vitest'

/** What keeps the process alive, by kind. Immediates are over before anybody could count on them. */
function openHandles(): Map<string, number> {
  const handles = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Immediate') handles.set(kind, (handles.get(kind) ?? 0) + 1)
  }
  return handles
}

/**
 * Notes what is open now. The function that it gives waits until no kind has more handles than that, without a timer
 * of its own. The test runner's timers come and go: the fewest of many turns count.
 */
export async function noteOpenHandles(): Promise<() => Promise<void>> {
  const before = openHandles()
  for (let turns = 0; turns < 100; turns++) {
    await turn()
    const now = openHandles()
    for (const [kind, count] of before) before.set(kind, Math.min(count, now.get(kind) ?? 0))
  }
  const left = () =>
    [...openHandles()].flatMap(([kind, count]) => {
      const more = count - (before.get(kind) ?? 0)
      return more > 0 ? [`${more} ${kind}`] : []
    })
  return async () => {
    const deadline = Date.now() + 10_000
    while (left().length > 0 && Date.now() < deadline) await turn()
    expect(left()).toEqual([])
  }
}
