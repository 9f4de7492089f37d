import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PresenceMember } from '../../src/core/protocol/messages.ts'
import { PresenceState, type NodeMember } from '../../src/server/presence/presence-state.ts'

const topic = fc.constantFrom('a', 'b', '__proto__')
const node = fc.constantFrom('n1', 'n2', 'n3')
const id = fc.constantFrom('ada', 'bob', 'constructor')

type Step =
  | {
      readonly do: 'set' | 'remove'
      readonly topic: string
      readonly node: string
      readonly id: string
      readonly at: number
    }
  | {
      readonly do: 'replace'
      readonly node: string
      readonly told: readonly (readonly [string, string, number])[]
    }
  | { readonly do: 'tell' }

const at = fc.nat(5)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), topic, node, id, at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), topic, node, id, at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('replace' as const),
      node,
      told: fc.uniqueArray(fc.tuple(topic, id, at), {
        selector: ([about, who]) => about + who,
        maxLength: 4,
      }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'tell' as const }) },
)

const memberOf = (who: string, by: string, time: number): NodeMember => ({
  id: who,
  user: who,
  state: `${by} at ${time}`,
  at: time,
})

describe('the presence of many nodes', () => {
  it('is what its diffs tell, and what the newest words say', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const state = new PresenceState()
        /** By topic, id and node: written down plainly. */
        const model = new Map<string, NodeMember>()
        /** What somebody knows who has heard every diff. */
        const told = new Map<string, Map<string, PresenceMember>>()
        const keyOf = (about: string, who: string, by: string) => JSON.stringify([about, who, by])
        const tell = () => {
          for (const [about, { set, left }] of state.takeChanges()) {
            expect(set.length + left.length).toBeGreaterThan(0)
            const members = told.get(about) ?? new Map<string, PresenceMember>()
            told.set(about, members)
            for (const gone of left) expect(members.delete(gone)).toBe(true)
            for (const member of set) members.set(member.id, member)
          }
        }
        for (const one of steps) {
          if (one.do === 'set') {
            const member = memberOf(one.id, one.node, one.at)
            state.set(one.topic, one.node, member)
            model.set(keyOf(one.topic, one.id, one.node), member)
          } else if (one.do === 'remove') {
            const isThere = model.delete(keyOf(one.topic, one.id, one.node))
            expect(state.remove(one.topic, one.node, one.id)).toBe(isThere)
          } else if (one.do === 'replace') {
            for (const key of [...model.keys()]) if (key.endsWith(`"${one.node}"]`)) model.delete(key)
            const members = one.told.map(
              ([about, who, time]) => [about, memberOf(who, one.node, time)] as const,
            )
            for (const [about, member] of members) model.set(keyOf(about, member.id, one.node), member)
            state.replace(one.node, members)
          } else tell()
        }
        tell()
        for (const about of ['a', 'b', '__proto__']) {
          const expected = new Map<string, unknown>()
          for (const who of ['ada', 'bob', 'constructor']) {
            const words = ['n1', 'n2', 'n3'].flatMap((by) => model.get(keyOf(about, who, by)) ?? [])
            // Of the same time, the node whose name is last.
            const newest = words.reduce<NodeMember | undefined>(
              (best, next) => (best && best.at > next.at ? best : next),
              undefined,
            )
            if (newest) expected.set(who, newest.state)
          }
          const states = (members: readonly PresenceMember[]) =>
            new Map(members.map((member) => [member.id, member.state]))
          expect(states(state.members(about))).toEqual(expected)
          expect(states([...(told.get(about)?.values() ?? [])])).toEqual(expected)
          expect(state.count(about)).toBe(expected.size)
        }
        // Everything that a node tells, told again, changes nothing.
        for (const by of ['n1', 'n2', 'n3']) state.replace(by, state.of(by))
        expect([...state.takeChanges().values()].flatMap(({ left }) => left)).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  })
})
