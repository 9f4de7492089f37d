import { useContext, useId, useState, type ReactNode } from 'react'
import type { EventTable, RegisteredTable } from '../core/routing/event-table.ts'
import { BridgeContext } from '../react/bridge-context.ts'
import { RealtimeDevtoolsPanel, type RealtimeDevtoolsPanelProps } from './panel.tsx'
import { recorderOf, type AnyBridge } from './recorder.ts'
import { CSS } from './styles.ts'

export interface RealtimeDevtoolsProps<
  TTable extends EventTable = RegisteredTable,
> extends RealtimeDevtoolsPanelProps<TTable> {
  /** @default false */
  readonly initialIsOpen?: boolean | undefined
  /** The corner of the button. @default 'left' */
  readonly side?: 'left' | 'right' | undefined
}

/** A button in a corner of the page, and the panel that it opens at the bottom. It records while it is closed, too. */
export function RealtimeDevtools<TTable extends EventTable = RegisteredTable>({
  initialIsOpen = false,
  side = 'left',
  ...props
}: RealtimeDevtoolsProps<TTable>): ReactNode {
  const [isOpen, setIsOpen] = useState(initialIsOpen)
  const id = useId()
  const nearest = useContext(BridgeContext)
  const bridge = (props.bridge as AnyBridge | undefined) ?? nearest
  if (bridge) recorderOf(bridge, props)
  return (
    <>
      <style nonce={props.styleNonce}>{CSS}</style>
      <button
        type="button"
        className="rqbd-toggle"
        data-side={side}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        aria-label={isOpen ? 'Close the realtime devtools' : 'Open the realtime devtools'}
        onClick={() => {
          setIsOpen(!isOpen)
        }}
      >
        {isOpen ? 'Close' : 'Realtime'}
      </button>
      {isOpen && (
        <div id={id} className="rqbd-float">
          <RealtimeDevtoolsPanel {...props} />
        </div>
      )}
    </>
  )
}
