/** Who can be put into a world: the bridge, and the ways in which it is done by hand. */
import { BridgePage } from './bridge-page.ts'
import { configuration, type Configuration } from './configurations.ts'
import { NaivePage, type Variant } from './naive-page.ts'
import { BridgeOracle } from './oracle.ts'
import type { Subject } from './simulate.ts'

export interface Contest {
  readonly name: string
  readonly configuration: Configuration
  subject(): Subject
}

export const bridgeSubject = (): Subject => ({
  page: (options) => new BridgePage(options),
  oracle: new BridgeOracle(),
})

/** What a calm and friendly network gives to everybody: nothing is lost, every read is of the primary. */
const unpositioned = configuration('no positions, row events')
const byHand: Configuration = { ...unpositioned, wire: 'numbered', counters: false }

const naive = (name: string, variant: Variant): Contest => ({
  name,
  configuration: byHand,
  subject: () => ({ page: (options) => new NaivePage(options, variant) }),
})

const bridged = (name: string, ofConfiguration: string): Contest => ({
  name,
  configuration: { ...configuration(ofConfiguration), counters: false },
  subject: bridgeSubject,
})

/** The comparison, on the same seeds. */
export const CONTESTS: readonly Contest[] = [
  naive('by hand: snapshot, rollback, invalidate on settle', 'documented'),
  naive('by hand, and invalidates only after the last mutation', 'guarded'),
  naive('by hand, without invalidating on settle', 'trusting'),
  naive('by hand, and drops known events and asks for missed ones', 'counting'),
  naive('by hand, and events only invalidate', 'invalidating'),
  bridged('bridge, row events without positions', 'no positions, row events'),
  bridged('bridge, row events and versions, without positions', 'no positions, row events with versions'),
  bridged('bridge, invalidate events, without positions', 'no positions, invalidate events'),
  bridged('bridge, no echo, without positions', 'no positions, no echo'),
  bridged('bridge, positions', 'positions'),
  bridged('bridge, positions, invalidate events', 'invalidate events'),
]
