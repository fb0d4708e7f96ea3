// What stands around the content of every page of the console: where one is, the page's name with
// its one action, and what was done or went wrong. Called by the rows and by console-views.ts.
import type { Badge } from './labels.ts'

/** The parts of the console. */
export const SECTIONS = [
  { id: 'overview', label: 'Overview', href: '/admin', scope: 'admin:audit:read' },
  { id: 'apps', label: 'Apps', href: '/admin/apps', scope: 'admin:apps:read' },
  { id: 'scopes', label: 'Scopes', href: '/admin/scopes', scope: 'admin:scopes:read' },
  { id: 'accounts', label: 'Accounts', href: '/admin/accounts', scope: 'admin:accounts:read' },
  {
    id: 'integrations',
    label: 'Integrations',
    href: '/admin/integrations',
    scope: 'admin:connections:read',
  },
  {
    id: 'connections',
    label: 'Connections',
    href: '/admin/connections',
    scope: 'admin:connections:read',
  },
  { id: 'tokens', label: 'Tokens', href: '/admin/tokens', scope: 'admin:tokens:write' },
  { id: 'activity', label: 'Activity', href: '/admin/activity', scope: 'admin:audit:read' },
  { id: 'mail', label: 'Mail', href: '/admin/mail', scope: 'admin:accounts:read' },
  { id: 'keys', label: 'Keys', href: '/admin/keys', scope: 'admin:keys:read' },
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

/** What stands around the content of a page. */
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
  /** Another, less prominent. */
  otherAction?: LinkTo | undefined
  tabs?: { label: string; href: string; isCurrent: boolean }[] | undefined
  /** What was done just now. */
  done?: string | undefined
  /** What went wrong with what was sent. */
  problem?: string | undefined
  problems?: FormProblem[] | undefined
}
