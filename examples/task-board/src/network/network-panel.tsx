import { useMutation } from '@tanstack/react-query'
import { useEffect, useId, useLayoutEffect, useRef, type ReactNode } from 'react'
import { useShortcut } from '../shell/shortcuts.ts'
import { useStore } from '../store.ts'
import { Button, IconButton } from '../ui/controls.tsx'
import { CloseIcon, PlugIcon } from '../ui/icons.tsx'
import { useConnectionWords } from './connection-status.ts'
import { faults, NO_FAULTS, setFaults } from './faults.ts'
import { cutConnections } from './faulty-web-socket.ts'
import { networkLog, writeNetworkLog, type LogEntry } from './network-log.ts'
import { isNetworkOpen } from './network-panel-state.ts'
import css from './network-panel.module.css'

const SERVER_STOP_MS = 5_000

/** A drawer that makes the network bad, and shows how the board gets over it. */
export function NetworkPanel() {
  const isOpen = useStore(isNetworkOpen)
  useShortcut('n', () => isNetworkOpen.set((was) => !was))
  useEffect(writeNetworkLog, [])
  return isOpen ? <Drawer close={() => isNetworkOpen.set(false)} /> : null
}

function Drawer({ close }: { close: () => void }) {
  const drawer = useRef<HTMLElement>(null)
  const words = useConnectionWords()
  const current = useStore(faults)
  const stopServer = useMutation({
    // Past the panel's own faults, and without a retry.
    mutationFn: () => fetch(`/api/dev/stop?forMs=${SERVER_STOP_MS}`, { method: 'POST' }),
    retry: false,
  })

  // A layout effect ends before the drawer leaves the page: the focus is still in it.
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null
    const element = drawer.current
    element?.focus()
    return () => {
      if (element?.contains(document.activeElement) === true) opener?.focus()
    }
  }, [])

  return (
    <section
      ref={drawer}
      id="network-panel"
      className={css.drawer}
      aria-labelledby="network-title"
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && close()}
    >
      <header className={css.head}>
        <h2 id="network-title" className={css.title}>
          Network
        </h2>
        <p className={css.intro}>Break it here, and watch this window catch up.</p>
        <Button onClick={() => setFaults(NO_FAULTS)} disabled={isSame(current, NO_FAULTS)}>
          Put all right
        </Button>
        <IconButton label="Close the network panel" onClick={close}>
          <CloseIcon />
        </IconButton>
      </header>
      <div className={css.columns}>
        <div className={css.controls}>
          <Group title="Connection">
            <p className={css.state} data-tone={words.tone}>
              <strong>{words.text}</strong>
              <span>{words.explanation}</span>
            </p>
            <div className={css.buttons}>
              <Button look="outline" onClick={cutConnections}>
                <PlugIcon size={14} /> Drop it now
              </Button>
              <Button
                look="outline"
                aria-pressed={current.isHeldDown}
                onClick={() => {
                  setFaults({ isHeldDown: !current.isHeldDown })
                  if (!current.isHeldDown) cutConnections()
                }}
              >
                {current.isHeldDown ? 'Let it connect again' : 'Stay disconnected'}
              </Button>
              <Button look="outline" onClick={() => stopServer.mutate()} disabled={stopServer.isPending}>
                Stop the server for 5 s
              </Button>
            </div>
          </Group>
          <Group title="Messages to this window">
            <div className={css.buttons}>
              <Button
                look="outline"
                aria-pressed={current.loseMessages > 0}
                onClick={() => setFaults({ loseMessages: current.loseMessages + 1 })}
              >
                Lose the next{current.loseMessages > 0 ? ` ${current.loseMessages}` : ' one'}
              </Button>
              <Button
                look="outline"
                aria-pressed={current.isDoubling}
                onClick={() => setFaults({ isDoubling: !current.isDoubling })}
              >
                Deliver twice
              </Button>
            </div>
            <Slider
              label="Lose some"
              value={current.losePercent}
              max={80}
              step={10}
              unit="%"
              change={(losePercent) => setFaults({ losePercent })}
            />
          </Group>
          <Group title="Requests of this window">
            <div className={css.buttons}>
              <Button
                look="outline"
                aria-pressed={current.failWrites > 0}
                onClick={() => setFaults({ failWrites: current.failWrites === 0 ? 1 : 0 })}
              >
                Refuse the next change
              </Button>
              <Button
                look="outline"
                aria-pressed={current.loseAnswers > 0}
                onClick={() => setFaults({ loseAnswers: current.loseAnswers === 0 ? 1 : 0 })}
              >
                Lose the next answer
              </Button>
            </div>
            <Slider
              label="Latency"
              value={current.latencyMs}
              max={3_000}
              step={100}
              unit=" ms"
              change={(latencyMs) => setFaults({ latencyMs })}
            />
          </Group>
        </div>
        <Log />
      </div>
    </section>
  )
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  const id = useId()
  return (
    <div role="group" aria-labelledby={id} className={css.group}>
      <h3 id={id} className={css.groupTitle}>
        {title}
      </h3>
      {children}
    </div>
  )
}

interface SliderProps {
  readonly label: string
  readonly value: number
  readonly max: number
  readonly step: number
  readonly unit: string
  readonly change: (value: number) => void
}

function Slider({ label, value, max, step, unit, change }: SliderProps) {
  return (
    <label className={css.slider}>
      <span>{label}</span>
      <input
        type="range"
        min={0}
        max={max}
        step={step}
        value={value}
        style={{ '--share': value / max }}
        aria-valuetext={`${value}${unit}`}
        onChange={(event) => change(Number(event.target.value))}
      />
      <output>
        {value}
        {unit}
      </output>
    </label>
  )
}

function Log() {
  const entries = useStore(networkLog)
  return (
    <div className={css.log}>
      <div className={css.logHead}>
        <h3 className={css.groupTitle}>What happened</h3>
        <Button onClick={() => networkLog.set([])} disabled={entries.length === 0}>
          Clear
        </Button>
      </div>
      {entries.length === 0 ? (
        <p className={css.quiet}>Quiet so far. Move a task in another window.</p>
      ) : (
        <div className={css.entries} role="log" aria-label="What happened" aria-live="off" tabIndex={0}>
          <ol>
            {entries.map((entry) => (
              <Line key={entry.id} entry={entry} />
            ))}
          </ol>
        </div>
      )}
    </div>
  )
}

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

function Line({ entry }: { entry: LogEntry }) {
  const line = (
    <>
      <time className={css.at}>{clock.format(entry.at)}</time>
      <span className={css.what} data-tone={entry.tone}>
        {entry.text}
      </span>
      <span className={css.note}>{entry.note}</span>
    </>
  )
  return (
    <li>
      {entry.details === undefined ? (
        <div className={css.line}>{line}</div>
      ) : (
        <details>
          <summary className={css.line}>{line}</summary>
          <pre className={css.details}>{entry.details.join('\n')}</pre>
        </details>
      )}
    </li>
  )
}

const isSame = (a: object, b: object) => JSON.stringify(a) === JSON.stringify(b)
