/** The same over backends that state no positions (see `positions.test.ts`). */
import { CONVERGING_CONFIGURATIONS, SETTLED_CONFIGURATIONS } from './configurations.ts'
import { runWorlds } from './run-worlds.ts'

runWorlds([...SETTLED_CONFIGURATIONS, ...CONVERGING_CONFIGURATIONS])
