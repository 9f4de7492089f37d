/** The same over backends that state no positions (see `positions.test.ts`). */
import { CONFIGURATIONS } from './configurations.ts'
import { runWorlds } from './run-worlds.ts'

runWorlds(CONFIGURATIONS.filter(({ positions }) => !positions))
