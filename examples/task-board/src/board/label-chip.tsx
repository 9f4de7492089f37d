import type { Label } from '../../shared/model.ts'
import { LABEL_NAMES } from '../ui/words.ts'
import css from './label-chip.module.css'

export function LabelDot({ label }: { label: Label }) {
  return <span className={css.dot} style={{ background: `var(--label-${label})` }} aria-hidden="true" />
}

export function LabelChip({ label }: { label: Label }) {
  return (
    <span className={css.chip}>
      <LabelDot label={label} />
      {LABEL_NAMES[label]}
    </span>
  )
}
