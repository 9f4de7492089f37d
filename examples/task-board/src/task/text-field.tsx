import { useImperativeHandle, useRef, useState, type Ref } from 'react'
import css from './text-field.module.css'

export interface TextFieldHandle {
  focus(): void
}

interface TextFieldProps {
  readonly ref?: Ref<TextFieldHandle>
  readonly id?: string
  readonly label: string
  readonly value: string
  readonly placeholder?: string
  readonly className?: string | undefined
  /** A title: Enter saves, and it is never empty. */
  readonly isOneLine?: boolean
  readonly save: (text: string) => void
}

/**
 * Text that is edited where it stands, and saved when it is left. What others write shows at once, except while
 * somebody is writing here: then their words stay, and a line says that there is something newer.
 */
export function TextField({
  ref,
  id,
  label,
  value,
  placeholder,
  className = '',
  isOneLine = false,
  save,
}: TextFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  const [draft, setDraft] = useState<{ text: string; from: string } | null>(null)
  useImperativeHandle(ref, () => ({ focus: () => field.current?.focus() }))
  const isOvertaken = draft !== null && draft.from !== value && draft.text !== draft.from

  function leave() {
    if (draft === null) return
    const text = isOneLine ? draft.text.trim().replace(/\s+/g, ' ') : draft.text.trimEnd()
    // Untouched text has nothing to say about what others wrote meanwhile.
    if (text !== draft.from && text !== value && !(isOneLine && text === '')) save(text)
    setDraft(null)
  }

  return (
    <div className={css.field}>
      <textarea
        ref={field}
        id={id}
        className={`${css.text} ${className}`}
        aria-label={label}
        placeholder={placeholder}
        rows={1}
        maxLength={isOneLine ? 200 : 10_000}
        value={draft?.text ?? value}
        onFocus={() => setDraft({ text: value, from: value })}
        onChange={(event) => setDraft((known) => ({ text: event.target.value, from: known?.from ?? value }))}
        onBlur={leave}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.preventDefault()
            event.stopPropagation()
            setDraft(null)
            // The draft is given up before the field is left.
            requestAnimationFrame(() => field.current?.blur())
          } else if (event.key === 'Enter' && (isOneLine || event.ctrlKey || event.metaKey)) {
            event.preventDefault()
            event.currentTarget.blur()
          }
        }}
      />
      {isOvertaken && (
        <p className={css.overtaken} role="status">
          Somebody has changed this meanwhile. Leaving the field saves your words; Esc keeps theirs.
        </p>
      )}
    </div>
  )
}
