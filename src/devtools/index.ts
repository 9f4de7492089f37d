'use client'

/**
 * The devtools in development; in every other build they render nothing, record nothing, and are not in the bundle.
 * `./devtools/production` gives them in every build.
 */
import * as devtools from './production.ts'

export type {
  RealtimeDevtoolsPanelProps,
  RealtimeDevtoolsProps,
  RecorderOptions,
  Redact,
  RedactContext,
} from './production.ts'

export const RealtimeDevtoolsPanel: typeof devtools.RealtimeDevtoolsPanel =
  process.env['NODE_ENV'] === 'development' ? devtools.RealtimeDevtoolsPanel : () => null

export const RealtimeDevtools: typeof devtools.RealtimeDevtools =
  process.env['NODE_ENV'] === 'development' ? devtools.RealtimeDevtools : () => null

export const recordRealtime: typeof devtools.recordRealtime =
  process.env['NODE_ENV'] === 'development' ? devtools.recordRealtime : () => () => undefined
