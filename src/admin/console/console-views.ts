// What the pages of the console show, and the one function that turns it into HTML. Invariant: templates get facts that were made for them,
// never a domain object that knows a hash; every value is escaped, and an app's addresses become links only where they are plain web addresses.
import type { Account } from '../../model/account.ts'
import type { Templates } from '../../http/views.ts'
import { type Badge, ownAddress, timeInWords } from './words.ts'

/** The parts of the console. */
const SECTIONS = [
  { id: 'apps', label: 'Apps', href: '/admin/apps' },
  { id: 'scopes', label: 'Scopes', href: '/admin/scopes' },
  { id: 'accounts', label: 'Accounts', href: '/admin/accounts' },
  { id: 'activity', label: 'Activity', href: '/admin/activity' },
  { id: 'keys', label: 'Keys', href: '/admin/keys' },
] as const
export type Section = (typeof SECTIONS)[number]['id']

export interface LinkTo {
  label: string
  href: string
}

/** One problem of a form, as the summary links to it. */
export interface FormProblem {
  /** The id of the field. */
  anchor: string
  label: string
  sentence: string
}

/** What stands around the content of every page. */
export interface Frame {
  title: string
  /** What the page shows of it, for the title of the window: the filters of a list. */
  narrowedTo?: string | undefined
  section: Section
  crumbs: LinkTo[]
  lead?: string | undefined
  badge?: Badge | undefined
  logo?: { name: string; logoUrl: string | undefined } | undefined
  /** The one primary action. */
  action?: LinkTo | undefined
  tabs?: { label: string; href: string; isCurrent: boolean }[] | undefined
  /** What was done just now. */
  done?: string | undefined
  /** What went wrong with what was sent. */
  problem?: string | undefined
  problems?: FormProblem[] | undefined
}

/** One page: the template below views/console and what it shows. */
export interface ConsolePage {
  template: string
  frame: Frame
  [shown: string]: unknown
}

/** Renders a page for an admin. */
export type RenderConsole = (page: ConsolePage, admin: Pick<Account, 'email' | 'name'>) => string

/** Creates the renderer. */
export function createConsoleViews(templates: Templates): RenderConsole {
  return ({ template, frame, ...shown }, { email, name }) =>
    templates.render(`console/${template}`, {
      ...shown,
      frame,
      sections: SECTIONS,
      admin: { email, name },
      title: titleOf(frame),
      timeInWords,
      ownAddress,
    })
}

function titleOf({ title, narrowedTo = '', problems = [] }: Frame): string {
  if (problems.length > 0) return `Problem: ${title}`
  return narrowedTo === '' ? title : `${title}: ${narrowedTo}`
}
