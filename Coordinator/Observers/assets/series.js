// Converts curves to the data of uPlot: all lines over the same steps. undefined means no value, null a gap.

/** Lines of one curve each, and those steps that any of them has. */
export function align(curves) {
  const steps = [...new Set(curves.flatMap(curve => curve.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const spread = (from, values) => {
    const line = new Array(steps.length);
    from.forEach((step, i) => { line[place.get(step)] = values[i]; });
    return line;
  };
  return { steps, spread };
}

/** Averages over about a fiftieth of the points, from both sides, so that the line lags behind neither. */
export function smooth(values) {
  const forth = forget(values);
  const back = forget(values.toReversed()).reverse();
  return forth.map((value, i) => value === null ? null : (value + back[i]) / 2);
}

/** An average that forgets, without the pull of the first value; it begins anew behind a gap. */
function forget(values) {
  const keep = Math.exp(-1 / Math.max(1, values.length / 100));
  let [sum, weight] = [0, 0];
  return values.map(value => {
    if (value === null) {
      [sum, weight] = [0, 0];
      return null;
    }
    [sum, weight] = [keep * sum + value, keep * weight + 1];
    return sum / weight;
  });
}

/** Index of the last step that is at most this one; -1 where there is none. */
export function before(steps, step) {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
