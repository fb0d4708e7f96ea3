// What a mail says, as data: views/mail writes it as text and as HTML. Invariant: both forms have
// the same words and the same plain links; nothing is loaded from anywhere and nothing tells us
// that it was read.

/** One mail's words. */
export interface Letter {
  /** What it is about, for the log: `reset`, `invitation`, `notice`. */
  purpose: string
  subject: string
  /** Whole sentences, a paragraph each. */
  paragraphs: readonly string[]
  facts?: readonly { label: string; value: string | Date }[]
  /** What the receiver may do. */
  action?: { label: string; url: string } | undefined
  /** What follows the action, such as what to do if it was somebody else. */
  after?: readonly string[]
}

/** Renders one of the two templates. */
export type RenderLetter = (form: 'text' | 'html', letter: Letter) => string

/** Writes a letter in both forms. */
export const writeLetter = (
  render: RenderLetter,
  letter: Letter,
): { subject: string; text: string; html: string } => ({
  subject: letter.subject,
  text: render('text', letter),
  html: render('html', letter),
})
