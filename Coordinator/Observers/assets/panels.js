// Everything except the curves: figures, workers, events, files. Nodes are kept, and only differences change them.
import * as format from './format.js';

const $ = id => document.getElementById(id);

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

function make(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Nodes for things, in their order; each is made once for its key. */
function keyed(list, things, key, create, update) {
  const known = new Map([...list.children].map(node => [node.dataset.key, node]));
  const nodes = things.map(thing => {
    const name = key(thing);
    const node = known.get(name) ?? create(thing);
    node.dataset.key = name;
    known.delete(name);
    update?.(node, thing);
    return node;
  });
  for (const gone of known.values()) gone.remove();
  nodes.forEach((node, i) => {
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
  });
}

function figure(id, value, unit) {
  const node = $(id);
  const shown = unit ? `${value}\u00a0${unit}` : value;
  if (node.dataset.shown === shown) return;
  node.dataset.shown = shown;
  node.replaceChildren(value, ...(unit ? [make('span', 'unit', unit)] : []));
}

export function figures({ run, status, speed, workers }) {
  if (!status) return;
  const { step, steps, epoch } = status;
  const done = steps > 0 ? Math.min(1, step / steps) : status.outcome === 'finished' ? 1 : 0;
  $('progress-fill').style.width = `${100 * done}%`;
  $('progress').setAttribute('aria-valuenow', (100 * done).toFixed(1));
  text(
    $('progress-step'),
    steps > 0 ? `Step ${format.count(step)} of ${format.count(steps)}` : step > 0 ? `Step ${format.count(step)}` : '\u00a0'
  );
  text(
    $('progress-epoch'),
    run.epochs === 0 ? '' : epoch > 0 ? `Epoch ${format.count(epoch)} of ${format.count(run.epochs)}` : `${format.count(run.epochs)} epochs`
  );

  figure('figure-loss', status.diverged_at ? 'NaN' : format.loss(status.loss));
  $('figure-loss').classList.toggle('bad', Boolean(status.diverged_at));
  text($('figure-metric-title'), `Test ${run.metric}`);
  if (status.metric == null) figure('figure-metric', '–');
  else figure('figure-metric', ...format.metric(status.metric, run));
  const rate = status.samples_per_second || speed.last;
  figure('figure-speed', rate > 0 ? format.speed(rate) : '–');
  figure('figure-time', status.time_left == null ? '–' : format.duration(status.time_left));
  const gone = workers.filter(worker => worker.presence === 'lost').length;
  figure('figure-workers', format.count(status.workers), gone > 0 ? `${gone} lost` : '');
  figure('figure-generation', status.generation > 0 ? format.count(status.generation) : '–');
  spark(speed);
}

function spark({ mean }) {
  const [line, area] = [$('spark').querySelector('.spark-line'), $('spark').querySelector('.spark-area')];
  const values = mean.filter(value => value !== null);
  $('spark').toggleAttribute('hidden', values.length < 3);
  if (values.length < 3) return;
  const top = Math.max(...values) || 1;
  const points = values.map(
    (value, i) => `${((120 * i) / (values.length - 1)).toFixed(1)},${(27 - (25 * Math.max(0, value)) / top).toFixed(1)}`
  );
  line.setAttribute('d', `M${points.join('L')}`);
  area.setAttribute('d', `M0,28L${points.join('L')}L120,28Z`);
}

const shares = ['compute', 'send', 'apply', 'wait'];

export function workers({ workers, moreWorkers, status }) {
  const sorted = workers.toSorted((a, b) => a.progress.name.localeCompare(b.progress.name, 'en', { numeric: true }));
  $('workers-empty').hidden = sorted.length > 0;
  text($('workers-empty'), status.outcome === 'running' ? 'No worker has come yet.' : 'No worker is here any more.');
  keyed(
    $('workers'),
    sorted,
    worker => worker.progress.name,
    createWorker,
    (node, worker) => updateWorker(node, worker, status)
  );
  let more = $('workers').parentElement.querySelector('.more');
  if (moreWorkers > 0 && !more) $('workers').after((more = make('p', 'more')));
  if (more) {
    more.hidden = moreWorkers === 0;
    text(more, `and ${format.count(moreWorkers)} more`);
  }
}

function createWorker({ progress }) {
  const bar = make('div', 'bar', ...shares.map(share => make('span', share)));
  bar.setAttribute('role', 'img');
  const name = make('span', 'worker-name', progress.name);
  name.title = progress.name;
  const node = make(
    'li',
    'worker',
    make('div', 'worker-head', name, make('span', 'worker-device'), make('span', 'worker-doing')),
    bar,
    make('div', 'worker-foot', make('span', 'worker-share'), make('span', 'worker-batches'))
  );
  node.dataset.worker = progress.name;
  return node;
}

// The times of single steps vary much, above all on a busy machine.
const calm = 0.25;
const averages = new WeakMap();

function average(node, values) {
  const before = averages.get(node);
  const now = before ? values.map((value, i) => before[i] + calm * (value - before[i])) : values;
  if (values.some(value => value > 0)) averages.set(node, now);
  return now;
}

const away = { lost: 'lost', left: 'left', refused: 'turned away' };

function updateWorker(node, { presence, progress, since, starts_again }, status) {
  node.dataset.state = presence;
  const find = name => node.querySelector(`.${name}`);
  const isHere = presence === 'here';
  text(find('worker-device'), progress.device);
  text(
    find('worker-doing'),
    isHere
      ? status.outcome === 'running'
        ? progress.doing
        : ''
      : `${away[presence]} at ${format.time(since)}${starts_again ? ', starts again' : ''}`
  );
  const values = isHere
    ? average(
        node,
        shares.map(share => Math.min(1, Math.max(0, progress[`${share}_share`] ?? 0)))
      )
    : shares.map(() => 0);
  shares.forEach((share, i) => {
    find(share).style.width = `${(100 * values[i]).toFixed(2)}%`;
  });
  const spoken = shares.map((share, i) => `${share} ${Math.round(100 * values[i])} %`).join(', ');
  find('bar').setAttribute('aria-label', isHere ? `Where its time goes: ${spoken}` : away[presence]);
  find('bar').title = isHere ? spoken : '';
  text(find('worker-share'), isHere && values.some(value => value > 0) ? `${Math.round(100 * values[0])} % compute` : '\u00a0');
  const batches = progress.micro_batches;
  text(find('worker-batches'), isHere && batches > 0 ? `${format.count(batches)} micro-batch${batches === 1 ? '' : 'es'} a step` : '');
}

const isRoutine = event => event.kind === 'checkpoint' || event.kind === 'generation';

export function events({ events }, showRoutine, onPoint) {
  const newest = events.toReversed();
  $('events').classList.toggle('routine', showRoutine);
  $('events-empty').hidden = newest.some(event => showRoutine || !isRoutine(event));
  keyed(
    $('events'),
    newest,
    event => String(event.number),
    event => createEvent(event, onPoint)
  );
}

function createEvent(event, onPoint) {
  const glyph = make('span', 'glyph');
  glyph.dataset.kind = event.kind;
  const when = make('time', 'event-when', event.step > 0 ? `step ${format.count(event.step)}` : format.time(event.at));
  when.dateTime = event.at;
  when.title = new Date(event.at).toLocaleString('en-GB');
  const node = make('li', 'event-row', glyph, make('span', 'event-text', event.text), when);
  node.dataset.kind = event.kind;
  node.addEventListener('mouseenter', () => onPoint(event));
  node.addEventListener('mouseleave', () => onPoint(null));
  return node;
}

export function files({ files }) {
  keyed(
    $('files'),
    files,
    file => file.name,
    file => {
      const link = make('a', '', file.name, make('small', ''));
      link.href = `files/${encodeURIComponent(file.name)}`;
      link.download = file.name;
      return make('li', '', link);
    },
    (node, file) => text(node.querySelector('small'), format.bytes(file.bytes))
  );
}
