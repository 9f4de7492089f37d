/** Where React is told that updates come from `act`, and warns of others. */
const react = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean | undefined }

let depth = 0
let before: boolean | undefined

function enter(): void {
  if (depth++ > 0) return
  before = react.IS_REACT_ACT_ENVIRONMENT
  react.IS_REACT_ACT_ENVIRONMENT = false
}

function leave(): void {
  if (--depth === 0) react.IS_REACT_ACT_ENVIRONMENT = before
}

/** What a server sends comes outside of `act`, and React is told so. Testing Library does it while it waits. */
export function outsideOfAct(run: () => void): void {
  enter()
  try {
    run()
  } finally {
    leave()
  }
}

/** The same, until the promise is settled. */
export async function awaitOutsideOfAct(run: () => Promise<void>): Promise<void> {
  enter()
  try {
    await run()
  } finally {
    leave()
  }
}
