import {
  Fragment,
  useId,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
} from 'react'
import { CheckIcon } from './icons.tsx'
import css from './menu.module.css'

export interface MenuItem {
  readonly key: string
  readonly name: string
  readonly icon?: ReactNode
  readonly hint?: string | undefined
  /** Given: the item is one of several that are on or off. */
  readonly isChecked?: boolean
  readonly isDanger?: boolean
  readonly isDisabled?: boolean
  readonly run: () => void
}

export interface MenuSection {
  readonly heading?: string
  /** `one`: its items exclude each other. `many`: they do not, and the menu stays open. */
  readonly choose?: 'one' | 'many'
  readonly items: readonly MenuItem[]
}

/** What the button that opens the menu must be given. */
export interface MenuTriggerProps {
  readonly ref: Ref<HTMLButtonElement>
  readonly onClick: () => void
  readonly 'aria-haspopup': 'menu'
  readonly 'aria-expanded': boolean
  readonly 'aria-controls': string | undefined
}

interface MenuProps {
  readonly label: string
  readonly sections: readonly MenuSection[]
  readonly trigger: (props: MenuTriggerProps) => ReactNode
}

/** A button that opens a list of things to do or to choose from. */
export function Menu({ label, sections, trigger }: MenuProps) {
  const id = useId()
  const [isOpen, setIsOpen] = useState(false)
  const [button, setButton] = useState<HTMLButtonElement | null>(null)

  function close(options: { giveFocusBack: boolean }) {
    setIsOpen(false)
    if (options.giveFocusBack) button?.focus()
  }

  return (
    <>
      {trigger({
        ref: setButton,
        onClick: () => setIsOpen((was) => !was),
        'aria-haspopup': 'menu',
        'aria-expanded': isOpen,
        'aria-controls': isOpen ? id : undefined,
      })}
      {isOpen && button !== null && (
        <OpenMenu id={id} label={label} sections={sections} anchor={button} close={close} />
      )}
    </>
  )
}

interface OpenMenuProps {
  readonly id: string
  readonly label: string
  readonly sections: readonly MenuSection[]
  readonly anchor: HTMLButtonElement
  readonly close: (options: { giveFocusBack: boolean }) => void
}

const ROLES = { one: 'menuitemradio', many: 'menuitemcheckbox' } as const

function OpenMenu({ id, label, sections, anchor, close }: OpenMenuProps) {
  const menu = useRef<HTMLDivElement>(null)
  const typed = useRef({ text: '', at: 0 })

  useLayoutEffect(() => {
    const element = menu.current!
    // In the top layer nothing can cut it off.
    element.showPopover()
    placeBeside(element, anchor.getBoundingClientRect())
    const first = element.querySelector<HTMLElement>('[aria-checked=true]') ?? itemsOf(element)[0]
    first?.focus({ preventScroll: true })
  }, [anchor])

  useLayoutEffect(() => {
    const onPointerDown = (event: PointerEvent) => {
      const target = event.target as Node
      if (!menu.current!.contains(target) && !anchor.contains(target)) {
        close({ giveFocusBack: false })
      }
    }
    // Other people's changes scroll the page as well: they move an open menu, and do not close it.
    const onMove = () => {
      placeBeside(menu.current!, anchor.getBoundingClientRect())
    }
    addEventListener('pointerdown', onPointerDown, true)
    addEventListener('scroll', onMove, true)
    addEventListener('resize', onMove)
    return () => {
      removeEventListener('pointerdown', onPointerDown, true)
      removeEventListener('scroll', onMove, true)
      removeEventListener('resize', onMove)
    }
  })

  function onKeyDown(event: KeyboardEvent) {
    // What is underneath has keys of its own.
    event.stopPropagation()
    const items = itemsOf(menu.current!)
    const index = items.indexOf(document.activeElement as HTMLElement)
    const focus = (next: number) => items[(next + items.length) % items.length]?.focus()
    if (event.key === 'ArrowDown') focus(index + 1)
    else if (event.key === 'ArrowUp') focus(index - 1)
    else if (event.key === 'Home') focus(0)
    else if (event.key === 'End') focus(-1)
    else if (event.key === 'Escape' || event.key === 'Tab') close({ giveFocusBack: true })
    else if (event.key.length === 1 && event.key !== ' ') {
      const now = event.timeStamp
      typed.current = {
        text: (now - typed.current.at > 600 ? '' : typed.current.text) + event.key.toLowerCase(),
        at: now,
      }
      items.find((item) => item.dataset['name']!.toLowerCase().startsWith(typed.current.text))?.focus()
      return
    } else return
    event.preventDefault()
  }

  function run(item: MenuItem, choose: MenuSection['choose']) {
    if (item.isDisabled === true) return
    if (choose !== 'many') close({ giveFocusBack: true })
    item.run()
  }

  return (
    <div
      ref={menu}
      id={id}
      role="menu"
      aria-label={label}
      popover="manual"
      className={css.menu}
      data-no-drag
      onKeyDown={onKeyDown}
    >
      {sections.map((section, i) => (
        <Fragment key={section.heading ?? i}>
          {i > 0 && <div role="separator" className={css.line} />}
          <div role="group" aria-label={section.heading}>
            {section.heading !== undefined && (
              <div className={css.heading} aria-hidden="true">
                {section.heading}
              </div>
            )}
            {section.items.map((item) => (
              <button
                key={item.key}
                role={section.choose === undefined ? 'menuitem' : ROLES[section.choose]}
                aria-checked={section.choose === undefined ? undefined : item.isChecked === true}
                aria-disabled={item.isDisabled === true || undefined}
                tabIndex={-1}
                className={css.item}
                data-danger={item.isDanger === true || undefined}
                data-name={item.name}
                onClick={() => run(item, section.choose)}
              >
                {item.icon}
                <span className={css.name}>{item.name}</span>
                {item.hint !== undefined && <span className={css.hint}>{item.hint}</span>}
                {item.isChecked === true && <CheckIcon size={14} className={css.check} />}
              </button>
            ))}
          </div>
        </Fragment>
      ))}
    </div>
  )
}

const itemsOf = (menu: HTMLElement) =>
  [...menu.querySelectorAll<HTMLElement>('[role^=menuitem]')].filter((item) => item.ariaDisabled !== 'true')

/** Below the button, or above it where there is more room; never outside the window. */
function placeBeside(menu: HTMLElement, button: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = menu
  const below = button.bottom + 4
  const fitsBelow = below + height <= innerHeight - 8
  const top = fitsBelow || button.top < innerHeight - button.bottom ? below : button.top - height - 4
  const left = button.left + width <= innerWidth - 8 ? button.left : button.right - width
  menu.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`
}
