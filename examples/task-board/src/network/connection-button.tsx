import { useStore } from '../store.ts'
import { NetworkIcon } from '../ui/icons.tsx'
import css from './connection-button.module.css'
import { useConnectionWords } from './connection-status.ts'
import { faults, NO_FAULTS } from './faults.ts'
import { isNetworkOpen } from './network-panel-state.ts'

/** The state of the connection; it opens the network panel. */
export function ConnectionButton() {
  const { tone, text, explanation } = useConnectionWords()
  const isOpen = useStore(isNetworkOpen)
  const current = useStore(faults)
  const isFaulty = (Object.keys(NO_FAULTS) as (keyof typeof NO_FAULTS)[]).some(
    (name) => current[name] !== NO_FAULTS[name],
  )
  return (
    <button
      className={css.button}
      data-tone={tone}
      data-testid="connection"
      data-status={text.startsWith('Reconnecting') ? 'Reconnecting' : text}
      aria-expanded={isOpen}
      aria-controls="network-panel"
      title={`${explanation} Network panel (N)`}
      onClick={() => isNetworkOpen.set(!isOpen)}
    >
      <span className={css.dot} aria-hidden="true" />
      <span className={css.text}>
        <span className="visually-hidden">Connection: </span>
        {text}
      </span>
      <span className={css.line} aria-hidden="true" />
      <NetworkIcon size={15} />
      <span className={css.label}>Network</span>
      {isFaulty && <span className={css.faulty}>Faults on</span>}
    </button>
  )
}
