import { useLayoutEffect, useRef, type KeyboardEvent } from 'react'
import css from './title-editor.module.css'

interface TitleEditorProps {
  readonly label: string
  readonly initial?: string
  readonly placeholder?: string
  readonly className?: string | undefined
  /** Called with a trimmed title that is not empty. */
  readonly save: (title: string) => void
  /** Called when it is left: by Escape, by saving, or because the focus went elsewhere. */
  readonly leave: () => void
  /** Stays, emptied, for the next one. */
  readonly staysOpen?: boolean
}

/** A title being written in place: Enter saves, Escape leaves it as it was. */
export function TitleEditor(props: TitleEditorProps) {
  const { label, initial = '', placeholder, className = '', save, leave, staysOpen = false } = props
  const field = useRef<HTMLTextAreaElement>(null)
  const isLeaving = useRef(false)

  useLayoutEffect(() => {
    const element = field.current!
    element.focus()
    element.select()
  }, [])

  function submit() {
    const element = field.current!
    const title = element.value.trim().replace(/\s+/g, ' ')
    if (title !== '' && title !== initial) save(title)
    element.value = ''
  }

  function close() {
    if (isLeaving.current) return
    isLeaving.current = true
    leave()
  }

  function onKeyDown(event: KeyboardEvent) {
    event.stopPropagation()
    if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault()
      submit()
      if (!staysOpen) close()
    } else if (event.key === 'Escape') {
      event.preventDefault()
      close()
    }
  }

  return (
    <textarea
      ref={field}
      className={`${css.editor} ${className}`}
      aria-label={label}
      placeholder={placeholder}
      defaultValue={initial}
      maxLength={200}
      rows={1}
      data-no-drag
      onKeyDown={onKeyDown}
      onBlur={() => {
        if (isLeaving.current) return
        submit()
        close()
      }}
    />
  )
}
