/** What a contract suite has heard of something that tells its listeners, and how it waits for more. */
export interface Ear<THeard> {
  readonly heard: readonly THeard[]
  /** The first that match, when there are so many. */
  first(count: number, isMeant?: (heard: THeard) => boolean): Promise<THeard[]>
  /** Hears no more. */
  stop(): void
}

/** Listens. `subscribe` is given what takes each thing heard, and what ends the wait when one was missed. */
export function listen<THeard>(
  subscribe: (hear: (heard: THeard) => void, miss: () => void) => () => void,
): Ear<THeard> {
  const heard: THeard[] = []
  let hasMissed = false
  let check = () => {}
  const stop = subscribe(
    (one) => {
      heard.push(one)
      check()
    },
    () => {
      hasMissed = true
      check()
    },
  )
  const first = (count: number, isMeant: (heard: THeard) => boolean = () => true) =>
    new Promise<THeard[]>((resolve, reject) => {
      check = () => {
        const meant = heard.filter(isMeant)
        if (hasMissed) reject(new Error('onMissed was called, and nothing was lost'))
        else if (meant.length >= count) resolve(meant.slice(0, count))
      }
      check()
    })
  return { heard, first, stop }
}
