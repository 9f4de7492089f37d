/** The rules of the overlay, each taken out by one change of one line. */
import type { PlantedBug } from './plant.ts'

export const PLANTED_BUGS: readonly PlantedBug[] = []
