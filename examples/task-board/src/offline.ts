/** What outlives a reload: the last confirmed data, and the changes that the server has not confirmed. */
import { persistQueryClient } from '@tanstack/query-persist-client-core'
import { createSyncStoragePersister } from '@tanstack/query-sync-storage-persister'
import { dehydrateBase, persistMutations } from 'realtime-query-bridge/persist'
import { queryClient } from './query-client.ts'
import { bridge } from './realtime.ts'
import './task-mutation.ts'
import { showToast } from './ui/toasts.tsx'

/** Resolves when what was stored is back. Two people in one browser have a store each. */
export async function restore(userId: string): Promise<void> {
  const store = (name: string, throttleTime: number) =>
    createSyncStoragePersister({ storage: localStorage, key: `task-board.${userId}.${name}`, throttleTime })
  const [, restoredQueries] = persistQueryClient({
    queryClient,
    persister: store('queries', 500),
    dehydrateOptions: dehydrateBase(bridge),
  })
  await restoredQueries
  const { restored } = persistMutations({
    bridge,
    persister: store('mutations', 0),
    name: `task-board.${userId}`,
    onGivenUp: (mutations) => {
      showToast({ tone: 'error', text: `${mutations.length} old changes were not sent any more.` })
    },
  })
  await restored
}
