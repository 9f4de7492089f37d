import type { ButtonHTMLAttributes, Ref } from 'react'
import css from './controls.module.css'

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: 'quiet' | 'outline' | 'primary' | 'danger'
  readonly ref?: Ref<HTMLButtonElement>
}

export function Button({ look = 'quiet', type = 'button', className = '', ...props }: ButtonProps) {
  return <button type={type} className={`${css.button} ${className}`} data-look={look} {...props} />
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** What it does: its name for everybody who does not see the icon, and its tooltip. */
  readonly label: string
  readonly ref?: Ref<HTMLButtonElement>
}

export function IconButton({ label, type = 'button', className = '', ...props }: IconButtonProps) {
  return (
    <button
      type={type}
      className={`${css.iconButton} ${className}`}
      aria-label={label}
      title={label}
      {...props}
    />
  )
}
