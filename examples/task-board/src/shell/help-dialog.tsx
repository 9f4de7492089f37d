import { useEffect, useRef } from 'react'
import { Store, useStore } from '../store.ts'
import { IconButton } from '../ui/controls.tsx'
import { CloseIcon } from '../ui/icons.tsx'
import css from './help-dialog.module.css'
import { shortcutsOn, useShortcut } from './shortcuts.ts'

const isOpen = new Store(false)
export const openHelp = () => isOpen.set(true)

const SHORTCUTS: readonly { heading: string; keys: readonly [keys: string[], what: string][] }[] = [
  {
    heading: 'Anywhere',
    keys: [
      [['C'], 'New task'],
      [['/'], 'Search'],
      [['N'], 'Network panel'],
      [['Esc'], 'Close what is open'],
      [['?'], 'This list'],
    ],
  },
  {
    heading: 'On a task',
    keys: [
      [['←', '↑', '↓', '→'], 'Go to the next task'],
      [['Space'], 'Pick up; again to put down'],
      [['Enter'], 'Open'],
      [['E'], 'Rename'],
      [['Del'], 'Delete (can be undone)'],
    ],
  },
  {
    heading: 'While a task is picked up',
    keys: [
      [['↑', '↓'], 'Move within the column'],
      [['←', '→'], 'Move to another column'],
      [['Esc'], 'Leave it where it was'],
    ],
  },
]

export function HelpDialog() {
  const isShown = useStore(isOpen)
  const areOn = useStore(shortcutsOn)
  const dialog = useRef<HTMLDialogElement>(null)
  useShortcut('?', openHelp)

  useEffect(() => {
    if (isShown) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isShown])

  return (
    <dialog
      ref={dialog}
      className={css.dialog}
      aria-labelledby="help-title"
      onClose={() => isOpen.set(false)}
      onClick={(event) => event.target === event.currentTarget && isOpen.set(false)}
    >
      <div className={css.body}>
        <div className={css.head}>
          <h2 id="help-title">Keyboard shortcuts</h2>
          <IconButton label="Close" onClick={() => isOpen.set(false)}>
            <CloseIcon />
          </IconButton>
        </div>
        {SHORTCUTS.map(({ heading, keys }) => (
          <section key={heading}>
            <h3 className={css.heading}>{heading}</h3>
            <dl className={css.keys}>
              {keys.map(([caps, what]) => (
                <div key={what} className={css.row}>
                  <dt>{what}</dt>
                  <dd>
                    {caps.map((cap) => (
                      <kbd key={cap}>{cap}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <label className={css.toggle}>
          <input
            type="checkbox"
            checked={areOn}
            onChange={(event) => shortcutsOn.set(event.target.checked)}
          />
          Single keys work anywhere
        </label>
      </div>
    </dialog>
  )
}
