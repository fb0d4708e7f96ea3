// The data behind the demo's API. Dates count from today, so that the demo never looks old.
import { DAY, type Clock } from '../../src/shared/clock.ts'

export interface Customer {
  id: string
  name: string
  email: string
}

export interface Booking {
  id: string
  /** ISO 8601. */
  startsAt: string
  what: string
  customerId: string
  people: number
  price: string
  status: 'confirmed' | 'cancelled'
}

const CUSTOMERS: readonly Customer[] = [
  { id: 'cus_1', name: 'Amara Okafor', email: 'amara@example.net' },
  { id: 'cus_2', name: 'Jonas Lindqvist', email: 'jonas@example.net' },
  { id: 'cus_3', name: 'Mei Tanaka', email: 'mei@example.net' },
  { id: 'cus_4', name: 'Sofía Herrera', email: 'sofia@example.net' },
]

const PLANS: readonly (readonly [number, number, string, number, number, string])[] = [
  [1, 9, 'Kayak tour along the coast', 0, 4, '€ 236'],
  [1, 14, 'Tasting of five cheeses', 1, 2, '€ 58'],
  [2, 10, 'Old town on foot', 2, 6, '€ 90'],
  [3, 18, 'Sunset on the lighthouse', 3, 2, '€ 44'],
  [5, 8, 'A day in the mountains', 0, 3, '€ 285'],
]

/** The bookings of the demo's one company. */
export interface Bookings {
  list(): readonly Booking[]
  customers(): readonly Customer[]
  /** Returns the cancelled booking, or `undefined` where there is none of that id. */
  cancel(id: string): Booking | undefined
}

/** Creates the bookings of the coming days. */
export function createBookings(clock: Clock): Bookings {
  const today = Math.floor(clock() / DAY) * DAY
  const hour = DAY / 24
  const bookings = PLANS.map(([days, at, what, customer, people, price], index): Booking => {
    const startsAt = new Date(today + days * DAY + at * hour).toISOString()
    const customerId = CUSTOMERS[customer]?.id ?? ''
    const id = `bok_${1041 + index}`
    return { id, startsAt, what, customerId, people, price, status: 'confirmed' }
  })
  return {
    list: () => bookings,
    customers: () => CUSTOMERS,
    cancel(id) {
      const booking = bookings.find((one) => one.id === id)
      if (booking !== undefined) booking.status = 'cancelled'
      return booking
    },
  }
}
