// The operations that the picker sends.

const REFUSAL = "... on Refusal { code message }";
const BOOKING = "__typename id seatNumber label show { id }";
const HOLD_PARTS = "__typename id expiresAt seats { seatNumber label } show { id }";
const NO_SUCH_BLOCK = "... on NoAdjacentSeats { largestBlock alternatives { databaseId screenName dateTime } }";
const NOT_VALID = "... on InvalidInput { fields { field messages } }";
const UNAVAILABLE = `${REFUSAL} ... on SeatsUnavailable { seatNumbers } ${NO_SUCH_BLOCK} ${NOT_VALID}`;

export const PICKER = `query Picker($show: ID!, $signedIn: Boolean!) {
  show(id: $show) {
    id screenName dateTime
    movie { title durationMinutes }
    seatMap { version rows { row seats { seatNumber label status mine } } }
  }
  me @include(if: $signedIn) { username }
  myHolds(first: 100) @include(if: $signedIn) { nodes { ${HOLD_PARTS} } }
  myBookings(first: 100, status: BOOKED, upcoming: true) @include(if: $signedIn) { nodes { ${BOOKING} } }
}`;

export const CHANGES = `subscription Changes($show: ID!, $since: String) {
  seatMapChanged(showId: $show, since: $since) { version seats { seatNumber label status } }
}`;

export const BEST = `query Best($show: ID!, $quantity: Int!, $allowSplit: Boolean!) {
  show(id: $show) {
    bestSeats(quantity: $quantity, allowSplit: $allowSplit) {
      ... on BestSeats { seatNumbers labels } ${REFUSAL} ${NO_SUCH_BLOCK} ${NOT_VALID}
    }
  }
}`;

export const HOLD = `mutation Hold($input: HoldSeatsInput!) {
  holdSeats(input: $input) { ... on Hold { ${HOLD_PARTS} } ${UNAVAILABLE} ... on TooManyHeld { limit held } }
}`;

export const CONFIRM = `mutation Confirm($input: ConfirmHoldInput!) {
  confirmHold(input: $input) { ... on BookedSeats { bookings { ${BOOKING} } } ${REFUSAL} }
}`;

export const EXTEND = `mutation Extend($input: ExtendHoldInput!) {
  extendHold(input: $input) { ... on Hold { ${HOLD_PARTS} } ${REFUSAL} }
}`;

export const RELEASE = `mutation Release($input: ReleaseHoldInput!) {
  releaseHold(input: $input) { ... on ReleasedHold { id } ${REFUSAL} }
}`;

export const BOOK = `mutation Book($input: BookSeatsInput!) {
  bookSeats(input: $input) { ... on BookedSeats { bookings { ${BOOKING} } } ${UNAVAILABLE} }
}`;

export const MOVE = `mutation Move($input: MoveBookingInput!) {
  moveBooking(input: $input) {
    ... on Booking { ${BOOKING} }
    ${REFUSAL} ... on SeatTaken { seatNumber } ... on SeatHeld { seatNumber } ... on SeatBlocked { seatNumber }
  }
}`;

export const CANCEL = `mutation Cancel($input: CancelBookingInput!) {
  cancelBooking(input: $input) { ... on Booking { ${BOOKING} } ${REFUSAL} }
}`;
