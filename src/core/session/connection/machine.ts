/**
 * Runs `transition.ts`: gives it time and chance, and what the system says of the network; sets its timer. What comes
 * while it runs is put in line.
 */
import type { Clock } from '../../clock.ts'
import { Alarm } from '../alarm.ts'
import {
  INITIAL_STATE,
  type SessionCommand,
  type SessionConfig,
  type SessionEvent,
  type SessionState,
} from './session-state.ts'
import { transition } from './transition.ts'
import type { WakeSignals } from './wake-signals.ts'

export interface MachineOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly signals: WakeSignals
  readonly config: SessionConfig
  readonly execute: (command: SessionCommand) => void
  /** After the commands of each step. */
  readonly onState: (state: SessionState) => void
}

export class Machine {
  readonly #options: MachineOptions
  readonly #alarm: Alarm
  /** What has happened and was not yet put to the machine. The first is being worked on. */
  readonly #events: SessionEvent[] = []
  #state: SessionState = INITIAL_STATE
  #unlisten: (() => void) | undefined

  constructor(options: MachineOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => {
      this.dispatch({ type: 'timer' })
    })
  }

  get state(): SessionState {
    return this.#state
  }

  get isOver(): boolean {
    const { status } = this.#state
    return status === 'idle' || status === 'closed'
  }

  get isRunning(): boolean {
    return this.#events.length > 0
  }

  dispatch(event: SessionEvent): void {
    if (this.#events.push(event) > 1) return
    const { clock, random, config, execute, onState } = this.#options
    try {
      for (let next; (next = this.#events[0]); this.#events.shift()) {
        const { state, commands } = transition(
          this.#state,
          { ...next, now: clock.now(), random: random() },
          config,
        )
        this.#state = state
        for (const command of commands) execute(command)
        this.#alarm.set(state.timerAt)
        this.#listen()
        onState(state)
      }
    } finally {
      this.#events.length = 0 // Empty already, unless a clock or signals of the app's own have thrown.
    }
  }

  #listen(): void {
    if (this.isOver) {
      this.#unlisten?.()
      this.#unlisten = undefined
      return
    }
    this.#unlisten ??= this.#options.signals.listen((type) => {
      this.dispatch({ type })
    })
  }
}
