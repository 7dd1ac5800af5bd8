// How cameras are listed by their states: the worst first.

/** States in which nothing is wrong, in the order in which they are listed. */
const WELL = ["never_seen", "unwatched", "ok", "disabled"];

/** Return the place of a camera in a list: those that recognise nobody first. */
export const rankOf = ({ health }) => (health.trouble ? Number(!health.blind) : 2 + WELL.indexOf(health.state));

/** Return the class of the mark before a state. */
export const markOf = (state) => `state ${WELL.includes(state) ? state : "unwell"}`;
