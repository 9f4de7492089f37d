import { useState, type FormEvent } from 'react'
import { useMe } from '../demo-session.ts'
import { Avatar } from '../ui/avatar.tsx'
import { Button } from '../ui/controls.tsx'
import { SendIcon } from '../ui/icons.tsx'
import css from './comment-form.module.css'

export function CommentForm({ send }: { send: (body: string) => void }) {
  const me = useMe()
  const [body, setBody] = useState('')

  function submit(event: FormEvent) {
    event.preventDefault()
    const text = body.trim()
    if (text === '') return
    send(text)
    setBody('')
  }

  return (
    <form className={css.form} onSubmit={submit}>
      <Avatar user={me} />
      <textarea
        className={css.text}
        aria-label="Comment"
        placeholder="Write a comment…"
        rows={1}
        maxLength={4_000}
        value={body}
        onChange={(event) => setBody(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event)
          else if (event.key === 'Escape') {
            event.preventDefault()
            event.currentTarget.blur()
          }
        }}
      />
      <Button
        type="submit"
        look="primary"
        disabled={body.trim() === ''}
        aria-label="Send the comment"
        title="Send (Ctrl+Enter)"
      >
        <SendIcon size={14} />
      </Button>
    </form>
  )
}
