/** What contract suites claim, without a test runner. */

export async function rejects(run: () => Promise<unknown>): Promise<void> {
  const outcome = await run().then(
    () => 'resolved',
    () => 'rejected',
  )
  same(outcome, 'rejected')
}

/** Compares as JSON, whose keys are put in order. */
export function same(actual: unknown, expected: unknown): void {
  const [got, wanted] = [stable(actual), stable(expected)]
  if (got !== wanted) throw new Error(`Expected ${wanted}, got ${got}`)
}

function stable(value: unknown): string {
  return String(
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
        : part,
    ),
  )
}
