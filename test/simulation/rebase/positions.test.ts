/**
 * The view is rebase(base, pending) (L3), whatever order events, acks, refusals and responses come in: two and three
 * real QueryClients with a real bridge each, against a model server, over networks that lose, double and reorder.
 * After each command every page is held against what the server knows (`oracle.ts`) and against what it has shown
 * before (`watcher.ts`).
 *
 * `npm run simulate` does the same by the million. `RQB_SIM_COMMANDS=1000000` runs longer, `RQB_SIM_SEED=7` elsewhere;
 * a failure prints its seed and shrinks.
 */
import { CONFIGURATIONS } from './configurations.ts'
import { runWorlds } from './run-worlds.ts'

runWorlds(CONFIGURATIONS.filter(({ positions }) => positions))
