/** What a build with a planted bug needs: see `planted-bugs.test.ts`. */
export { configuration } from './configurations.ts'
export { simulate, walk } from './simulate.ts'
export { bridgeSubject } from './subjects.ts'
