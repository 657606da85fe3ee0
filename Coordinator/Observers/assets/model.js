// The state of the page: the first message has everything, each later one the changes.

const maxEvents = 250;

const emptyCurve = () => ({ stride: 1, steps: [], mean: [], min: [], max: [], last: null, lastStep: 0 });

export const empty = () => ({
  run: null, status: null, workers: [], moreWorkers: 0, events: [], files: [],
  train: emptyCurve(), test: emptyCurve(), metric: emptyCurve(), speed: emptyCurve(),
});

export function apply(before, message) {
  const model = message.run ? { ...empty(), run: message.run } : { ...before };
  if (message.status) {
    model.status = message.status;
    model.workers = message.workers ?? [];
    model.moreWorkers = message.more_workers ?? 0;
  }
  if (message.events) model.events = [...model.events, ...message.events].slice(-maxEvents);
  if (message.files) model.files = message.files;
  for (const name of ['train', 'test', 'metric', 'speed'])
    if (message[name]) model[name] = splice(model[name], message[name]);
  return model;
}

function splice(curve, part) {
  const join = (was, now) => [...was.slice(0, part.from), ...now];
  return {
    stride: part.stride,
    steps: join(curve.steps, part.steps),
    mean: join(curve.mean, part.mean),
    min: join(curve.min, part.min ?? part.mean),
    max: join(curve.max, part.max ?? part.mean),
    lastStep: part.last_step,
    last: part.last ?? null,
  };
}
