import { dueText } from '../ui/time.ts'
import { CalendarIcon } from '../ui/icons.tsx'
import css from './due-chip.module.css'

export function DueChip({ dueOn }: { dueOn: string }) {
  const { text, isLate, isSoon } = dueText(dueOn)
  return (
    <span className={css.due} data-late={isLate || undefined} data-soon={isSoon || undefined}>
      <CalendarIcon size={12} />
      <span className="visually-hidden">{isLate ? 'Late, was due ' : 'Due '}</span>
      {text}
    </span>
  )
}
